"""The commands around a configuration: check, init, key, and the documentation of its keys."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

from harness import ROOT, UNBUSY

SECRET = "sk-0123456789abcdef"


def run(*args, cwd, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "DEEPSEEK_"))}
    return subprocess.run([str(UNBUSY), *map(str, args)], cwd=cwd, capture_output=True, text=True,
                          timeout=30, env={**clean, **env}, stdin=subprocess.DEVNULL)


def test_init_writes_what_check_accepts(tmp_path):
    got = run("init", cwd=tmp_path, DEEPSEEK_API_KEY=SECRET)
    assert got.returncode == 0
    text = (tmp_path / "unbusy.yaml").read_text()
    assert "https://api.deepseek.com" in text and "${DEEPSEEK_API_KEY}" in text and SECRET not in text
    got = run("check", cwd=tmp_path, DEEPSEEK_API_KEY=SECRET)
    assert got.returncode == 0 and SECRET not in got.stdout + got.stderr
    got = run("check", cwd=tmp_path)
    assert got.returncode == 2 and "no variable DEEPSEEK_API_KEY" in got.stdout


def test_init_takes_an_openai_service(tmp_path):
    env = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    assert run("init", "--config", "x.yaml", cwd=tmp_path, **env).returncode == 0
    assert run("check", "--config", "x.yaml", cwd=tmp_path, **env).returncode == 0


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "unbusy.yaml").write_text("mine\n")
    got = run("init", cwd=tmp_path, DEEPSEEK_API_KEY=SECRET)
    assert got.returncode == 1 and "unbusy.yaml" in got.stderr
    assert (tmp_path / "unbusy.yaml").read_text() == "mine\n"


def test_init_says_which_variables_it_wants(tmp_path):
    got = run("init", cwd=tmp_path)
    assert got.returncode == 2 and "DEEPSEEK_API_KEY" in got.stderr and not os.listdir(tmp_path)


def test_a_new_key_and_its_line(tmp_path):
    got = run("key", "new", "--name", "web", cwd=tmp_path)
    assert got.returncode == 0
    key, line = got.stdout.splitlines()
    assert re.fullmatch(r"sk-ub-[A-Za-z0-9]{43}", key)
    assert hashlib.sha256(key.encode()).hexdigest() in line and key not in line
    (tmp_path / "unbusy.yaml").write_text(
        f"listen: :8080\nupstreams: [{{name: a, url: \"http://h\"}}]\ntenants:\n{line}\n")
    assert run("check", cwd=tmp_path).returncode == 0
    assert run("key", "new", cwd=tmp_path).stdout.splitlines()[0] != key


def test_a_new_key_as_json(tmp_path):
    got = json.loads(run("key", "new", "--json", "--name", "x", cwd=tmp_path).stdout)
    assert got["name"] == "x" and got["sha256"] == hashlib.sha256(got["key"].encode()).hexdigest()


@pytest.mark.parametrize("args", [["key"], ["key", "old"], ["key", "new", "--name", "a b"]])
def test_wrong_usage_of_key(tmp_path, args):
    got = run(*args, cwd=tmp_path)
    assert got.returncode == 2 and got.stderr and not got.stdout


def test_check_as_json(tmp_path):
    (tmp_path / "unbusy.yaml").write_text("upstreams: [{name: \"a\", urll: \"http://h\"}]\n")
    got = run("check", "--json", cwd=tmp_path)
    assert got.returncode == 2
    problems = json.loads(got.stdout)
    assert problems["good"] is False
    assert problems["problems"][1] == "unbusy.yaml:1:25: unknown key 'urll', did you mean 'url'?"
    (tmp_path / "unbusy.yaml").write_text("upstreams: [{name: a, url: \"http://h\"}]\n")
    assert json.loads(run("check", "--json", cwd=tmp_path).stdout) == {"good": True, "problems": []}


def test_a_misspelt_command(tmp_path):
    got = run("chek", cwd=tmp_path)
    assert got.returncode == 2 and "did you mean 'check'?" in got.stderr


def test_the_documentation_is_what_the_program_says(tmp_path):
    assert run("config-doc", cwd=tmp_path).stdout == (ROOT / "docs" / "CONFIG.md").read_text()


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/CONFIG.md"])
def test_the_configurations_in_the_pages_are_good(tmp_path, page):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.S)
    assert blocks
    for block in blocks:
        if "upstreams:" not in block:  # what can be added to the first file
            block = blocks[0] + block.replace('"..."', f'"{"0" * 64}"')
        (tmp_path / "unbusy.yaml").write_text(block)
        got = run("check", cwd=tmp_path, DEEPSEEK_API_KEY=SECRET, RESELLER_KEY=SECRET)
        assert got.returncode == 0, got.stdout


EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*.yaml"))


def check_as_told(tmp_path, example, leave_out=None):
    """Runs the commands in the head of an example beside a copy of it, all but one."""
    folder = tmp_path / f"without-{leave_out}"
    folder.mkdir()
    shutil.copy(example, folder)
    commands = re.findall(r"^#   \$ (.*)$", example.read_text(), re.M)
    assert commands[-1] == f"unbusy check --config {example.name}"
    kept = [command for number, command in enumerate(commands) if number != leave_out]
    script = 'unbusy() { "$UNBUSY" "$@"; }\n' + "\n".join(kept)
    got = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=30,
                         env={"PATH": os.environ["PATH"], "UNBUSY": str(UNBUSY)})
    return got, commands


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_head_of_an_example_says_all_that_it_needs(tmp_path, example):
    got, commands = check_as_told(tmp_path, example)
    assert got.returncode == 0, got.stdout + got.stderr
    for number in range(len(commands) - 1):
        got, _ = check_as_told(tmp_path, example, leave_out=number)
        assert got.returncode == 2, f"not needed: {commands[number]}"


def test_data_that_cannot_be_written_is_a_failure(tmp_path):
    with open("/dev/full", "w", encoding="utf-8") as full:
        got = subprocess.run([str(UNBUSY), "key", "new"], stdout=full, stderr=subprocess.PIPE,
                             text=True, timeout=30, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert got.returncode == 1 and "cannot write" in got.stderr
