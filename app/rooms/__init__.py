"""The parts of the page: one file a room, or a part of one."""
