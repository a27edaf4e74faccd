"""What a revision of the hub meant when the hub answered, it still means when it does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.hub import standing_in

ASK = """
import json
from ttt.files.hub_commits import dataset_commit
from ttt.files.model_files import downloaded
from ttt.files.model_source import model_source
from ttt.spec import Model, SpecError

facts = {"name": "t", "family": "t", "n_params": 1, "n_tokens": 1, "trained": "2024-01"}
source = model_source(model := Model(hub="org/tiny", **facts))
downloaded(model, source.partition("@")[2])
said = []
for name, revision in (("org/plain", "main"), ("org/none", "main")):
    try:
        said.append(dataset_commit(name, revision, "here"))
    except SpecError as error:
        said.append(str(error))
print(json.dumps([source, *said]))
"""


def asked(endpoint: str, home: Path, offline: bool) -> list[str]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": str(int(offline))}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return [str(line) for line in json.loads(done.stdout)]


def test_what_was_looked_up_is_known_off_line(tiny_model: Path, tmp_path: Path) -> None:
    """Also of a model whose files were only ever downloaded by their commit, and of data without a card."""
    hub, home = tmp_path / "hub", tmp_path / "hf"
    shutil.copytree(tiny_model, hub / "models" / "org" / "tiny")
    plain = hub / "datasets" / "org" / "plain"
    plain.mkdir(parents=True)
    (plain / "train.jsonl").write_text('{"a": 1}\n')
    with standing_in(hub) as endpoint:
        source, commit, none = asked(endpoint, home, offline=False)
    assert source.startswith("hub:org/tiny@")
    assert none == "here: the hub has no data set 'org/none' that you may read"
    later = asked(endpoint, home, offline=True)
    assert later[:2] == [source, commit]
    assert "the local cache has nothing of its data set 'org/none' (revision 'main')" in later[2]
