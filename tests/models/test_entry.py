"""Which files a custom model is made by."""

from pathlib import Path

import pytest

from models.entry import source_files
from models.errors import ModelError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "nets/__init__.py": "",
        "nets/build.py": "import keras\nimport helpers\nfrom . import layers\nfrom .sizes import SIZE\nimport models\n",
        "nets/layers.py": "from nets.deep.parts import part\n",
        "nets/sizes.py": "SIZE = 3\n",
        "nets/deep/__init__.py": "",
        "nets/deep/parts.py": "from ..sizes import SIZE\npart = SIZE\n",
        "nets/unused.py": "",
        "helpers.py": "",
        "models.py": "",
        "torn.py": "def (",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_files_are_the_module_and_all_that_it_imports_of_the_folder(folder: Path) -> None:
    assert list(source_files("nets.build:build", str(folder))) == [
        *("helpers", "nets", "nets.build", "nets.deep", "nets.deep.parts", "nets.layers", "nets.sizes"),
    ]


def test_of_an_installed_package_only_its_own_files_count() -> None:
    assert {name.split(".")[0] for name in source_files("click.core:Command", None)} == {"click"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("nets.build", r"expected package.module:function. Received: 'nets.build'"),
        ("nets.build:", r"expected package.module:function"),
        ("nets-build:f", r"expected package.module:function"),
        ("models.nets:build", r"`models` is a package of Plumbline; give yours another name"),
        ("nots.build:build", r"There is no `nots.build` in "),
        ("torn:build", r"torn.py is no Python: "),
    ],
)
def test_an_entry_that_cannot_be_found_is_refused(entry: str, message: str, folder: Path) -> None:
    with pytest.raises(ModelError, match=message):
        source_files(entry, str(folder))
