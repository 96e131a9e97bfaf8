"""What is told about a run, and about the machine it ran on."""

import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """What is told about a run. recorded: made beforehand; date: ISO 8601; seconds: of training; seen_first: of the recorded
    ones, the one that a visitor is shown."""

    title: str
    recorded: bool = False
    machine: str = ""
    date: str = ""
    seconds: float = 0.0
    note: str = ""
    model: str = "mini"
    seen_first: bool = False


def machine() -> str:
    """This machine in words: its GPU, or how many CPU threads compute."""
    import torch  # slow to load, and a page that shows runs need not wait for it

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' if threads != 1 else ''} ({platform.machine()}), no GPU"
