"""evaluate: the same noises before and after, at one or several guidance scales."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from fairness_core.about import About, machine
from fairness_core.commands.common import (DONE, INTERRUPTED, changed, chosen_prompts, load_settings, loaded,
                                           ready_folder, stoppable, tell_of_adapter)
from fairness_core.evaluation.baseline import baselines
from fairness_core.evaluation.compare import compare
from fairness_core.evaluation.originals import Originals
from fairness_core.models.loading import Model
from fairness_core.models.tokenizers import check_prompts
from fairness_core.report import markdown_table, metrics_table
from fairness_core.report.record import verdicts
from fairness_core.report.table import printed
from fairness_core.report.text_tables import tables_in_words
from fairness_core.results import PromptComparison
from fairness_core.runs import (RunFolder, guidance_folder, load_comparisons, read_config, save_about, save_comparisons,
                                save_config, write_report)
from fairness_core.settings.config import ConfigError, FinetuneConfig


def run(options: Namespace) -> int:
    config, adapter = what_to_measure(options)
    prompts, targets = chosen_prompts(options.prompts, config), (config.target(), config.own_targets())
    check_prompts(config.model, prompts, config.reserved_places if adapter else 0)
    scales = list(dict.fromkeys(options.guidance or [config.guidance_scale]))
    main = own_scale(options, config, scales)
    ready_folder(options.out)
    model = loaded(config.model, options.memory)
    tell_of_adapter(adapter, model.entry)
    folder = RunFolder(options.out)
    with stoppable("after this prompt; what was measured is kept.") as should_stop:
        for scale in [main, *(s for s in scales if s != main)]:
            place = folder if scale == main else guidance_folder(folder, scale)
            measured = replace(config, guidance_scale=scale)
            originals = Originals()
            comparisons = measure(model, measured, prompts, options, adapter, should_stop, originals)
            if options.baseline:
                comparisons = with_baselines(model, measured, comparisons, options, originals, should_stop)
            if comparisons:
                keep(place, measured, comparisons, options)
        stopped = should_stop()
    if comparisons := load_comparisons(folder):
        print(markdown_table(*printed(metrics_table(comparisons, *targets))))
        for title, table in tables_in_words(comparisons, config).items():
            print(f"\n{title}\n{markdown_table(*table.plain()) if table else 'not measured'}")
        for name, told in verdicts(comparisons, config).items():
            print(f"{name}: {told.sentence}")
        for path in write_report(folder):
            print(f"wrote {path}")
    return INTERRUPTED if stopped else DONE


def what_to_measure(options: Namespace) -> tuple[FinetuneConfig, Path | None]:
    """Settings and adapter: of --run, unless --config or --adapter say otherwise. Raises ConfigError, RunError."""
    if not options.run and not options.config:
        raise ConfigError("Give --run (a run's folder), or --config and, if there is one, --adapter.")
    source = RunFolder(options.run) if options.run else None
    config = load_settings(options.config, options.set) if options.config else changed(read_config(source), options.set)
    return config, options.adapter or (source.adapter if source else None)


def own_scale(options: Namespace, config: FinetuneConfig, scales: list[float]) -> float:
    """The scale of the main results: the settings' own, else the first. Raises ConfigError where a run would change."""
    if config.guidance_scale in scales:
        return config.guidance_scale
    if options.run and options.run.resolve() == options.out.resolve():
        raise ConfigError(f"The run in {options.out} has guidance scale {config.guidance_scale:g}: "
                          "have it among --guidance, or choose another --out.")
    return scales[0]


def measure(model: Model, config: FinetuneConfig, prompts: list[str], options: Namespace, adapter: Path | None,
            should_stop: Callable[[], bool], originals: Originals | None = None) -> list[PromptComparison]:
    comparisons = []
    for comparison in compare(model, prompts, range(options.images), config.seed, adapter, options.strength,
                              sampling_steps=config.steps_shown, guidance_scale=config.guidance_scale,
                              should_stop=should_stop, finetuned_on=config.prompts, originals=originals):
        comparisons.append(comparison)
        print(f"guidance {config.guidance_scale:g}  {len(comparisons)}/{len(prompts)}  faces "
              f"{int(comparison.tuned.found.sum())}/{options.images}  {comparison.prompt}", flush=True)
    return comparisons


def with_baselines(model: Model, config: FinetuneConfig, comparisons: list[PromptComparison], options: Namespace,
                   originals: Originals, should_stop: Callable[[], bool]) -> list[PromptComparison]:
    """The same with what words in the prompt do; those left when it is stopped stay without."""
    found = {}
    for prompt, baseline in baselines(model, [c.prompt for c in comparisons], range(options.images), config.seed,
                                      config.target, sampling_steps=config.steps_shown,
                                      guidance_scale=config.guidance_scale, should_stop=should_stop, originals=originals):
        found[prompt] = baseline
        told = f"left alone: {baseline.left_alone}" if baseline.left_alone else f"such as {baseline.prompts[0]!r}"
        print(f"words in the prompt  {len(found)}/{len(comparisons)}  {prompt}  {told}", flush=True)
    return [replace(c, baseline=found.get(c.prompt)) for c in comparisons]


def keep(folder: RunFolder, config: FinetuneConfig, comparisons: list[PromptComparison], options: Namespace) -> None:
    """Writes the comparisons; a run that is measured in place keeps its settings and what is told about it."""
    if not options.run or options.run.resolve() != folder.path.resolve():
        what = options.adapter or options.run or "no adapter"
        save_config(folder, config)
        save_about(folder, About(
            f"Evaluation for {' x '.join(config.target().names)}", machine=machine(), model=config.model,
            date=datetime.now().astimezone().isoformat(timespec="seconds"),
            note=f"{what}, strength {options.strength:g}, guidance {config.guidance_scale:g}, seed {config.seed}"))
    save_comparisons(folder, comparisons)
