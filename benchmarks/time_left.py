"""How right the time left is that the page tells: a whole run on the built-in model, every answer against the truth.

python -m benchmarks.time_left mini-short              (about three minutes on two cores)
"""

import argparse
import json
import tempfile
from pathlib import Path

from app.jobs.time_left import seconds_left
from fairness_core.events import StepDone
from fairness_core.models.loading import load_model
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.presets import load_preset
from fairness_core.training.finetune import finetune

ASKED_AFTER = 5  # steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("preset", help="a name in assets/presets")
    config = load_preset(ASSETS / "presets" / f"{parser.parse_args().preset}.yaml").config
    with tempfile.TemporaryDirectory() as scratch:
        events = finetune(load_model(config.model), config, Path(scratch))
        steps = [event for event in events if isinstance(event, StepDone)]
    errors = []
    for done in range(ASKED_AFTER, len(steps)):
        left, told = sum(step.seconds for step in steps[done:]), seconds_left(steps[:done], config)
        errors.append(told / left - 1)
        print(json.dumps({"after_steps": done, "told": round(told, 1), "true": round(left, 1), "error": round(errors[-1], 3)}))
    print(json.dumps({"after_5_steps": round(errors[0], 3), "largest": round(max(map(abs, errors)), 3)}))


if __name__ == "__main__":
    main()
