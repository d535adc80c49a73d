"""Turns records and claims into tables and figures. Only reads results, and imports no torch.

In the order of the work: in `bench.analysis`, `selection` takes what an experiment asks for, `pooling` makes `cells`
from records (a matrix of scores and its intervals), `verdicts` compares them with published numbers and `pairs`
compares methods; `sections` collects everything about one benchmark. Here, `answers` lists every published number once,
with its verdict or what is needed for one (`cost`); `result_tables`, `anatomy_tables`, `provenance_tables` and
`section_notes` turn a section into tables and text, which `documents` (with `tables` and `matrix`), `csv_file` and
`terminal` write as Markdown, LaTeX, CSV and text; `figures` draws `panels` with their `marks` and `labels`; `page`
(with `inline_svg`, `episode_pictures` and `kept_effects`) writes one HTML file with everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from bench import files, records
from bench.analysis import claims_file
from bench.analysis.claims import Claim
from bench.analysis.pooling import usable
from bench.analysis.sections import sections
from bench.analysis.selection import claims_about, progress, select
from bench.protocols.benchmarks import of_record
from bench.protocols.experiments import Experiment
from bench.records import Record, fields, layout
from bench.report import answers, cost, kept_effects, terminal
from bench.report.answers import ReportPart, answer_claims
from bench.report.processes import at_once

Read = tuple[list[Record], list[str]]  # records, and a line for each that cannot be used


@dataclass(frozen=True)
class Report:
    """`text` for the terminal, a line for each record that was left out, and the files written."""

    text: str
    problems: list[str]
    files: list[Path]


def build(
    results: Path,
    out: Path,
    claims_file: Path | None = None,
    experiment: Experiment | None = None,
    processes: int = 1,
    formats: Sequence[str] = (),
) -> Report:
    """Writes a report on everything in `results` (and in `reference` beside it), or only on what an experiment asks
    for, into `out`. `formats`: in which figures are drawn besides SVG, `png` or `pdf`. If `processes` > 1, this process
    is forked, so it must not run other threads.

    Raises UserError if a claims file cannot be read, or `out` cannot be written."""
    with _reading(results, processes) as read:
        # Imported while other processes read, and not at all for those who only ask what is claimed.
        from bench.report import csv_file, documents, figures, page

        found = list(read)
    asked = [] if experiment is None else [progress(found[0][1][0], experiment)]
    made, problems = _parts(found, results, claims_file, experiment)
    mine = made[0]
    plan = figures.plan_figures(mine.sections, out)
    effects, unreadable = kept_effects.tables(out)
    problems += unreadable
    with at_once(partial(figures.draw, formats=formats), list(chain(*plan.values())), processes) as done:
        field = answers.tables(mine.answers, answers.times(made))
        texts = {
            "report.md": documents.as_markdown(made, problems, field, plan),
            "report.tex": documents.as_latex(mine),
            "report.csv": csv_file.as_csv(mine.origin, mine.sections),
        }
        drawn = {title: list(islice(done, len(wanted))) for title, wanted in plan.items()}
    texts = {"report.html": page.as_html(made, problems, field, drawn, effects)} | texts
    files = [_write(out / name, text) for name, text in texts.items()]
    files += [path for shown in drawn.values() for figure in shown for path in figure.files]
    return Report("\n".join([*asked, *terminal.lines(made), _files_text(files)]), problems, files)


def parts(
    results: Path, claims_file: Path | None = None, experiment: Experiment | None = None, processes: int = 1
) -> tuple[list[ReportPart], list[str]]:
    """The user's part, followed by the project's part if its runs are in another folder; and a line for each thing that
    was left out. Raises UserError if a claims file cannot be read."""
    with _reading(results, processes) as read:
        return _parts(list(read), results, claims_file, experiment)


def _claims(results: Path, named: Path | None, found: Sequence[Record]) -> list[Claim]:
    """Every claim; the user's may be about data sets that records here were run on."""
    return claims_file.every_claim(results, named, [of_record(record.info) for record in found])


@contextmanager
def _reading(results: Path, processes: int) -> Iterator[Iterator[tuple[Path, Read]]]:
    """The records in the results, and in this project's reference folder if that is another one."""
    reference = results.parent / layout.REFERENCE
    apart = reference.is_dir() and reference.resolve() != results.resolve()
    places = {place: list(layout.folders(place)) for place in (results, reference)[: 1 + apart]}
    with at_once(_record, list(chain(*places.values())), processes) as found:
        yield ((place, _usable(islice(found, len(folders)))) for place, folders in places.items())


def _usable(found: Iterable[Record | str]) -> Read:
    read = list(found)
    good, unusable = usable(record for record in read if isinstance(record, Record))
    return good, [*(corrupt for corrupt in read if isinstance(corrupt, str)), *unusable]


def _record(folder: Path) -> Record | str:
    """The record in a folder, or a line that says why it cannot be read."""
    try:
        return records.read(folder)
    except fields.Corrupt as error:
        return str(error)


def _parts(
    read: Sequence[tuple[Path, Read]], results: Path, claims_file: Path | None, experiment: Experiment | None
) -> tuple[list[ReportPart], list[str]]:
    """The parts, one per folder, and a line for each thing that was left out."""
    known = _claims(results, claims_file, [record for _, (good, _) in read for record in good])
    if experiment is not None:
        known = claims_about(known, experiment)
    found, problems = [], []
    for number, (folder, (good, left_out)) in enumerate(read):
        made, unpooled = sections(good if experiment is None else select(good, experiment), known)
        steps = cost.step_times(folder)
        found.append(ReportPart(str(folder), made, answer_claims(made, known), steps, reference=number > 0))
        problems += [*left_out, *unpooled]
    return found, problems


def _files_text(files: Sequence[Path]) -> str:
    drawn = sum(path.suffix == ".svg" for path in files)
    return f"{files[0].parent}: report.html, report.md, report.tex, report.csv and {drawn} figures"


def _write(path: Path, text: str) -> Path:
    files.write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path
