"""The command line answers at once, refuses with exit code 2, and never imports what it does not need."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "mlflow", "tensorflow_datasets", "pandas", "sklearn", "matplotlib")

PROBE = """
import sys
from pipeline.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("exit code", end.code or 0)
print("heavy:", [name for name in {heavy} if name in sys.modules])
"""


def plumbline(*arguments: str, cwd=None) -> subprocess.CompletedProcess:
    """Runs the command in a process of its own and reports which heavy modules it imported."""
    return subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "Trains Keras models"),
        (["run", "--help"], 0, "--plan"),
        (["validate", "digits"], 0, "digits: valid"),
        (["show", "digits", "train.epochs=7"], 0, "epochs: 7"),
        (["recipes"], 0, "Handwritten digits"),
        (["init", "digits"], 0, "# Handwritten digits"),
        (["schema"], 0, '"Passes over the training split."'),
        (["run", "digits", "model.droput=1"], 2, "Did you mean `dropout`?"),
        (["run", "nothing.yaml"], 2, "There is no such file"),
        (["run", "."], 2, "expected the path of a YAML file. Received: a folder"),
        (
            ["validate", "digits", "data={type: csv, path: gone.csv, label: y}", "augment=[]", "model={type: mlp}"],
            2,
            "There is none at",
        ),
        (["run", "digits", "--until", "trian"], 2, "Did you mean `train`?"),
        (["preview", "digits", "augment=[]"], 2, "expected one or more transforms to preview"),
        (["check", "digits", "model.droput=1"], 2, "Did you mean `dropout`?"),
        (["init", "digit"], 2, "Did you mean `digits`?"),
        (["tune", "--help"], 0, "--resume STUDY"),
        (["tune"], 2, "expected a recipe, or --resume STUDY"),
        (["tune", "digits"], 2, "expected a `tune` section"),
        (["tune", "digits_tune", "tune.objective=val_acuracy"], 2, "Did you mean `val_accuracy`?"),
        (["tune", "digits_tune", "--budget", "soon"], 2, "--budget: expected a time"),
        (["studies"], 0, "algorithm"),
        (["study", "digits-1"], 2, "expected one of none so far"),
    ],
)
def test_answers_without_tensorflow_keras_or_mlflow(arguments, code, said, tmp_path):
    done = plumbline(*arguments, cwd=tmp_path)
    assert said in done.stdout + done.stderr
    assert f"exit code {code}" in done.stdout
    assert "heavy: []" in done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_imports_nothing_heavy():
    code = f"import sys, pipeline; pipeline.load_recipe('digits'); print([n for n in {HEAVY} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_started_recipe_is_a_valid_one(tmp_path):
    (tmp_path / "mine.yaml").write_text(plumbline("init", "digits").stdout.split("exit code")[0], encoding="utf-8")
    assert "mine.yaml: valid" in plumbline("validate", "mine.yaml", cwd=tmp_path).stdout
