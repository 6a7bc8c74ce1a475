"""linux.intelRdt on a stand-in for the resctrl file system: plain files in its place, in a mount namespace of the runtime's own.
Spec: config-linux.md, IntelRdt."""
import pytest


class Classes:
    def __init__(self, runtime):
        self.runtime, self.root = runtime, runtime.directory / "fs"
        for name in ("cgroup", "resctrl/info", "resctrl/mon_groups", "resctrl/gold/mon_groups"):
            (self.root / name).mkdir(parents=True)
        (self.root / "resctrl/gold/schemata").write_text("L3:0=00f;1=f0\nMB:0=100;1=100\n")
        (self.root / "resctrl/gold/tasks").touch()

        plain = runtime.command
        script = f"mount --rbind /sys/fs/cgroup {self.root}/cgroup && mount --rbind {self.root} /sys/fs && exec \"$@\""
        runtime.command = lambda *words: ["unshare", "-m", "sh", "-c", script, "sh", *plain(*words)]

    def text(self, name):
        return (self.root / "resctrl" / name).read_text()


@pytest.fixture
def classes(runtime):
    if not runtime.is_ours:
        pytest.skip("paths of ours")
    return Classes(runtime)


def test_a_resource_class_of_its_own(runtime, classes):
    rdt = {"l3CacheSchema": "L3:0=f;1=f0\nMB:0=10;1=10", "memBwSchema": "MB:0=20;1=70", "schemata": ["L2:0=3"], "enableMonitoring": False}
    runtime.config("true", linux={"intelRdt": rdt})
    name = runtime.id()
    done = runtime("create", name)
    assert done.code == 0, done
    assert classes.text(f"{name}/schemata") == "L3:0=f;1=f0\nMB:0=20;1=70\nL2:0=3\n" and int(classes.text(f"{name}/tasks")) > 0
    done = runtime("update", "--l3-cache-schema", "L3:0=1;1=1", name)
    assert done.code == 0 and classes.text(f"{name}/schemata") == "L3:0=1;1=1\n", done
    (classes.root / "resctrl" / name / "schemata").unlink(), (classes.root / "resctrl" / name / "tasks").unlink()  # the kernel's files do not keep a directory
    assert runtime("delete", "--force", name).code == 0
    assert not (classes.root / "resctrl" / name).exists()


def test_a_resource_class_that_is_there(runtime, classes):
    runtime.config("true", linux={"intelRdt": {"closID": "gold", "schemata": ["MB:1=100;0=100", "L3:0=f;1=0f0"]}})
    name = runtime.id()
    done = runtime("create", name)
    assert done.code == 0, done
    assert classes.text("gold/schemata") == "L3:0=00f;1=f0\nMB:0=100;1=100\n" and int(classes.text("gold/tasks")) > 0
    assert runtime("delete", "--force", name).code == 0
    assert (classes.root / "resctrl/gold").is_dir()
    for rdt, word in (({"closID": "gold", "memBwSchema": "MB:0=50;1=100"}, "MB:0=50"), ({"closID": "silver"}, "no class"), ({"closID": "../x", "schemata": ["MB:0=1"]}, "closID"), ({"closID": "a/b"}, "closID"),
                      ({"closID": "mon_groups", "schemata": ["MB:0=1"]}, "closID"), ({"schemata": "MB:0=1"}, "schemata")):
        runtime.config("true", linux={"intelRdt": rdt})
        done = runtime("run", runtime.id())
        assert done.code == 1 and "intelRdt" in done.err and word in done.err, done


def test_a_monitoring_group(runtime, classes):
    runtime.config("true", linux={"intelRdt": {"closID": "gold", "enableMonitoring": True}})
    name = runtime.id()
    assert runtime("create", name).code == 0
    assert int(classes.text(f"gold/mon_groups/{name}/tasks")) > 0
    (classes.root / f"resctrl/gold/mon_groups/{name}/tasks").unlink()
    assert runtime("delete", "--force", name).code == 0
    assert not (classes.root / f"resctrl/gold/mon_groups/{name}").exists()
