"""What a job's log says."""

from app.jobs.log import describe
from fairness_core.events import Started


def test_the_start_says_how_a_gpus_memory_is_used():
    assert describe(Started(0, 4)) == "finetune from step 0 to 4"
    assert describe(Started(0, 4, "GPU memory: 78 GB free.")) == "finetune from step 0 to 4. GPU memory: 78 GB free."
