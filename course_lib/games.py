from course_tools.games import *  # noqa
