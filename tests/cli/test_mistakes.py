"""User mistakes at the real command line: one clear line, exit code 2, nothing lost, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.records import layout
from tests.conftest import Command, one_line

TINY = ("run", "--benchmark", "tiny", "--set", "iterations=2", "--set", "validations=1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--method", "mamll"), "did you mean 'maml'"),
        (("run", "--benchmark", "omniglot-5w1"), "did you mean 'omniglot-5w1s'"),
        (("run", "--protocol", "papr"), "did you mean 'paper'"),
        (("run", "--set", "inner_rl=0.1"), "did you mean 'inner_lr'"),
        (("run", "--set", "inner_lr=fast"), "not a number above 0"),
        (("run", "--set", "inner_lr"), "name=value"),
        (("run", "--set", "batch_norm_scale=maybe"), "true or false"),
        (("run", "--iterations", "0"), "at least 1"),
        (("run", "--seeds", "0"), "give at least 1"),
        (("run", "--seed", "-1"), "a seed is a number from 0"),
        (("run", "--seeds", "2", "--seed", "3"), "not both"),
        (("run", "--device", "cuda"), "no CUDA GPU"),
        (("run", "--set", "precision=tf32"), "cpu has no TF32"),
        (("run", "--set", "evaluation.precision=tf32"), "cpu has no TF32"),
        (("run", "--set", "precision=fp16"), "precision=fp16: not fp32, tf32 or bf16"),
        (
            ("run", "--set", "evaluation.batch_statistics=train"),
            "evaluation.batch_statistics=train: not batch, support, support+query, episode or running",
        ),
        (("run", "--device", "gpu"), "use auto, cpu"),
        (("run", "--set", "queries=20", "--benchmark", "omniglot-5w1s"), "at most 17"),
        (
            ("run", "--set", "evaluation.batch_statistics=running"),
            "maml cannot be evaluated with batch_statistics=running",
        ),
        (("run", "--benchmark", "tiny", "--set", "batch_statistics=episode"), "maml cannot be trained with"),
        (
            ("run", "--benchmark", "tiny", "--set", "classes=train+valid"),
            "nothing can be validated: --set validations=0",
        ),
        (
            ("run", "--benchmark", "tiny", "--method", "finetune", "--protocol", "snell"),
            "nothing can be validated: --set classes=train",
        ),
        (("run", "--benchmark", "sinusoid-5s", "--set", "classes=train+valid"), "sinusoid-5s has no classes"),
        (("run", "--benchmark", "miniimagenet-5w5s"), "python -m bench data add mini-imagenet PATH"),
        (("run", "--itertions", "3"), "did you mean --iterations"),
        (("run", "--benchmark", "tiny", "--log", "tensorbord"), "did you mean 'tensorboard'"),
        (("run", "--benchmark", "omniglot-1w5s"), "use 2 ways or more"),
        (("run", "--benchmark", "omniglot-10000w1s"), "ways and shots are numbers from 1 to 9999"),
        (("run", "--benchmark", "omniglot-05w1s"), "ways and shots are numbers from 1 to 9999, such as omniglot-5w1s"),
        (("rnu",), "did you mean run"),
        (("evaluate", "nothing"), "no run 'nothing'"),
        (("show", "episode", "--benchmark", "tiny", "--split", "val", "--out", "x.png"), "did you mean 'valid'"),
        (("show", "episodes", "nothing", "--out", "x.png"), "no run 'nothing'"),
        (("show", "episodes", "tiny", "--hardst", "3", "--out", "x.png"), "did you mean --hardest"),
        (("data", "add", "mini-imagenet", "nowhere"), "nowhere"),
        (("data", "add", "cifar", "."), "cifar"),
        (("report", "--claims", "nowhere.csv"), "nowhere.csv"),
        (("data", "add", "mypets", "."), "data add folder PATH --name mypets"),
        (("run", "--benchmark", "Tiny"), "did you mean 'tiny'"),
        (("run", "--method", "MAML"), "did you mean 'maml'"),
        (("run", "--set", "Inner_LR=0.1"), "did you mean 'inner_lr'"),
        (("Report",), "did you mean report"),
        (("run", "--seeds", "1000000"), "one command takes at most 1000 seeds"),
        (("run", "--seed", "99999999999999999999"), "from 0 to 2147483647"),
        (("run", "--set", "meta_batch=1000000000"), "at most 10000"),
        (("run", "--set", "evaluation.episodes=99999999999999999999"), "at most 1000000"),
        (("run", "--iterations", "99999999999999999999"), "at most 1000000000"),
        (("run", "--workers", "100000"), "this machine has"),
        (("import", "missing.zip"), "no such file"),
        (("run", "--threads", "100000"), "this machine's processors"),
        (("run", "--chunk", "1" + 30 * "0"), "not a whole number from 1 to"),
        (("run", "--checkpoint-every", "nan"), "not a number of seconds"),
        (("run", "--benchmark", "tiny", "--keep", "21"), "the run has only 20 iterations"),
        (("show", "episode", "--benchmark", "tiny", "--index", "-1", "--out", "x.png"), "from 0 to"),
        (("report", "--results", 300 * "x"), "File name too long"),
        (("speed", "--method", "anil"), "time maml, fomaml, finetune"),
        (
            (*TINY, "--set", "multi_step_epochs=2"),
            "used by msl, maml++, not by maml: leave it out",
        ),
        ((*TINY, "--set", "evaluation.inner_batch=3"), "evaluation.inner_batch=3: used by reptile, not by maml"),
        ((*TINY, "--method", "nearest", "--set", "finetune_steps=3"), "not by nearest"),
        ((*TINY, "--set", "image_batch=16"), "image_batch=16: used by finetune, baseline++, nearest, "),
        ((*TINY, "--method", "anil", "--set", "batch_norm_adapted=true"), "meta-sgd, msl, not by anil"),
        ((*TINY, "--method", "nearest", "--method", "protonet", "--set", "inner_lr=0.1"), "not by nearest, protonet"),
        (("explain", "--from", "article", "--to", "paper", "--set", "scored_steps=last"), "scored_steps=last: used by"),
        (("explain", "--from", "article", "--to", "paper", "--direction", "to", "--pairs", "1"), "--direction from or"),
        (("show", "protocol", "paper", "--method", "maml", "--set", "adapt=head"), "adapt=head: used by finetune"),
    ],
)
def test_one_line(typed: Command, tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in one_line(typed(*arguments))
    assert not list(tmp_path.iterdir())


def test_one_line_of_the_real_command(bench: Command) -> None:
    assert "did you mean 'maml'" in one_line(bench("run", "--method", "mamll"))
    assert "data add mini-imagenet PATH" in one_line(bench("run", "--benchmark", "miniimagenet-5w5s"))


def test_more_memory_than_there_is(typed: Command) -> None:
    assert "out of memory" in one_line(typed("run", "--benchmark", "tiny", "--set", "filters=1000000"))


def test_results_that_are_a_file(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    assert "cannot write" in one_line(typed(*TINY))
    assert "cannot write" in one_line(typed("report", "--out", "results/report"))


def test_a_folder_without_records_is_no_report(typed: Command, tmp_path: Path) -> None:
    assert typed(*TINY).returncode == 0
    for wrong in ("results", "results/runs/tiny", "reslts", "results/runs/tiny/maml"):
        assert f"no records in {wrong}" in one_line(typed("report", "--results", wrong))
        assert "did you mean results/runs?" in one_line(typed("report", "--results", wrong))
    assert "are in its repository" in one_line(typed("report", "--results", "results/reference"))
    assert not (tmp_path / "results" / "report").exists()
    assert typed("report", "--results", "./results/runs").returncode == 0


def test_a_damaged_record_is_named_and_left_out(typed: Command, tmp_path: Path) -> None:
    assert typed(*TINY, "--seeds", "2").returncode == 0
    folder = next(layout.folders(tmp_path / "results" / "runs"))
    (folder / "record.json").write_text('{"format": 1, "benchmark": ')
    report = typed("report")
    assert report.returncode == 1 and str(folder.name) in report.stderr and "Traceback" not in report.stderr
    assert "record.json" in one_line(typed(*TINY))
    assert "record.json" in one_line(typed("evaluate", str(folder)))
    assert typed(*TINY, "--force").returncode == 0
    assert typed("report").returncode == 0
