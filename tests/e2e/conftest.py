"""Fixtures: programs that end with their test, and the two SDKs."""

import pytest

import harness
import sdk as sdks


class House:
    """What a test starts; all of it ends with the test."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = []

    def _keep(self, program):
        self.programs.append(program)
        return program

    def program(self, name, args, **more):
        return self._keep(harness.Program(name, args, self.folder, **more))

    def mock(self, name="good", *args, **more):
        return self._keep(harness.Mock(name, self.folder, *args, **more))

    def gateway(self, config, **more):
        return self._keep(harness.Gateway(self.folder, config, **more))

    def over(self, *mocks, upstream=None, config=None, **policy):
        """A gateway with one model "m" over these mocks, one tier each."""
        return self.gateway({
            "upstreams": [mock.upstream(**(upstream or {})) for mock in mocks],
            "models": [harness.model(*[[mock.name] for mock in mocks], **policy)],
            **(config or {})})

    def close(self):
        for program in reversed(self.programs):
            program.stop()


@pytest.fixture
def house(tmp_path, request):
    house = House(tmp_path)
    yield house
    house.close()
    if request.node.stash.get(FAILED, False):
        for program in house.programs:
            print(f"--- {program.name} (exit status {program.process.returncode})")
            print("\n".join(program.lines[-40:]))
        for log in sorted(tmp_path.glob("*.access.log")):
            print(f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-20:]))


FAILED = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def _sdks():
    both = {"python": sdks.PythonSdk(), "node": sdks.NodeSdk()}
    yield both
    for sdk in both.values():
        sdk.close()


@pytest.fixture(params=["python", "node"])
def sdk(request, _sdks):
    return _sdks[request.param]


@pytest.fixture
def python_sdk(_sdks):
    return _sdks["python"]
