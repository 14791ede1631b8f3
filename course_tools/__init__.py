"""The workshop: what builds, runs, checks and hands out the course, and what notebooks and studies keep books with."""
