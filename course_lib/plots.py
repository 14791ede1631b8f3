from course_tools.plots import *  # noqa
