from course_tools.notebook import *  # noqa
