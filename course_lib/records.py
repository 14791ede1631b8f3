from course_tools.records import *  # noqa
