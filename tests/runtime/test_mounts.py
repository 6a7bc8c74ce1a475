"""mounts: every option, what is mounted where, and how it is seen from both sides. Spec: config.md, Linux mount options."""
import os
import pathlib
import subprocess

import pytest

TMPFS = {"destination": "/m", "type": "tmpfs", "source": "tmpfs"}


def mounted(runtime, mount, path="/m"):
    """Mount options and super block options of `path` as mountinfo has them."""
    text = runtime.output("cat /proc/self/mountinfo", mounts=[mount])
    for line in text.splitlines():
        fields = line.split()
        if fields[4] == path:
            return set(fields[5].split(",")), set(fields[-1].split(","))
    raise AssertionError(text)


SET = ["nosuid", "nodev", "noexec", "noatime", "nodiratime", "ro", "nosymfollow", "relatime"]


@pytest.mark.parametrize("option", SET)
def test_an_option_of_a_file_system_shows_up(runtime, option):
    assert option in mounted(runtime, {**TMPFS, "options": [option]})[0]


@pytest.mark.parametrize("option", ["sync", "dirsync", "mand"])
def test_an_option_of_the_super_block_shows_up(runtime, option):
    options, block = mounted(runtime, {**TMPFS, "options": [option]})
    assert option in options | block


@pytest.mark.parametrize("set_first,clear", [("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"), ("noatime", "atime"), ("nodiratime", "diratime"), ("ro", "rw"),
                                             ("nosymfollow", "symfollow"), ("sync", "async")])
def test_the_later_of_two_opposite_options_wins(runtime, set_first, clear):
    options, block = mounted(runtime, {**TMPFS, "options": [set_first, clear]})
    assert set_first not in options | block


@pytest.mark.parametrize("option", ["defaults", "async", "loud", "silent", "iversion", "noiversion", "nomand", "norelatime", "nostrictatime", "lazytime", "nolazytime"])
def test_an_option_that_mountinfo_does_not_show_is_taken(runtime, option):
    assert "rw" in mounted(runtime, {**TMPFS, "options": [option]})[0]


def test_strictatime_leaves_out_relatime(runtime):
    assert "relatime" not in mounted(runtime, {**TMPFS, "options": ["strictatime"]})[0]


@pytest.mark.parametrize("data,seen", [("size=1024k", "size=1024k"), ("mode=0700", "mode=700"), ("nr_inodes=77", "nr_inodes=77"), ("uid=12", "uid=12"), ("gid=34", "gid=34")])
def test_other_options_go_to_the_file_system(runtime, data, seen):
    assert seen in mounted(runtime, {**TMPFS, "options": ["nosuid", data]})[1]


def test_an_option_that_no_file_system_knows_is_an_error(runtime):
    runtime.refused("nosuchoption", mounts=[{**TMPFS, "options": ["nosuchoption"]}])


def test_a_file_system_that_the_kernel_does_not_know_is_an_error(runtime):
    runtime.refused("nosuchfs", mounts=[{"destination": "/m", "type": "nosuchfs", "source": "none"}])


@pytest.mark.parametrize("option", SET)
def test_a_bind_gets_its_option(runtime, option):
    assert option in mounted(runtime, runtime.bind("/m", ["bind", option]))[0]


@pytest.mark.parametrize("options,absent", [(["rbind", "ro", "rw"], "ro"), (["rbind", "nodev", "dev"], "nodev")])
def test_a_bind_takes_the_later_option(runtime, options, absent):
    assert absent not in mounted(runtime, runtime.bind("/m", options))[0]


RECURSIVE = {"rro": "ro", "rnosuid": "nosuid", "rnodev": "nodev", "rnoexec": "noexec", "rnodiratime": "nodiratime", "rnoatime": "noatime", "rnosymfollow": "nosymfollow"}


class Nested:
    """A directory of the host with a tmpfs mounted in it, or another directory: no tmpfs can have ids mapped before Linux 6.3."""

    def __init__(self, runtime, options="rw", bind=False):
        self.mount = runtime.bind("/m")
        self.path = pathlib.Path(self.mount["source"], "below")
        self.path.mkdir()
        what = ["--bind", runtime.bind("/m")["source"]] if bind else ["-t", "tmpfs", "-o", options, "tmpfs"]
        subprocess.run(["mount", *what, str(self.path)], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", str(self.path)], check=True)


@pytest.mark.parametrize("option", RECURSIVE)
def test_a_recursive_option_reaches_the_mounts_below(runtime, option):
    with Nested(runtime) as nested:
        nested.mount["options"] = ["rbind", option]
        for path in ("/m", "/m/below"):
            assert RECURSIVE[option] in mounted(runtime, nested.mount, path)[0], path


@pytest.mark.parametrize("option,before", [("rrw", "ro"), ("rsuid", "nosuid"), ("rdev", "nodev"), ("rexec", "noexec"), ("rdiratime", "nodiratime"), ("ratime", "noatime"), ("rsymfollow", "nosymfollow")])
def test_a_recursive_option_takes_away_below(runtime, option, before):
    with Nested(runtime, before) as nested:
        nested.mount["options"] = ["rbind", option]
        assert before not in mounted(runtime, nested.mount, "/m/below")[0]


@pytest.mark.parametrize("option", ["rrelatime", "rnorelatime", "rnostrictatime"])
def test_recursive_access_times_are_taken(runtime, option):
    with Nested(runtime) as nested:
        nested.mount["options"] = ["rbind", option]
        assert "noatime" not in mounted(runtime, nested.mount, "/m/below")[0]


def test_rstrictatime(runtime):
    with Nested(runtime) as nested:
        nested.mount["options"] = ["rbind", "rstrictatime"]
        assert "relatime" not in mounted(runtime, nested.mount, "/m/below")[0]


def test_ro_stays_on_its_own_mount(runtime):
    with Nested(runtime) as nested:
        nested.mount["options"] = ["rbind", "ro"]
        assert "ro" in mounted(runtime, nested.mount, "/m")[0]
        assert "rw" in mounted(runtime, nested.mount, "/m/below")[0]


def test_bind_leaves_out_what_lies_below_and_rbind_does_not(runtime):
    with Nested(runtime) as nested:
        (nested.path / "deep").touch()
        nested.mount["options"] = ["bind"]
        assert runtime.output("ls /m/below", mounts=[nested.mount]) == ""
        nested.mount["options"] = ["rbind"]
        assert runtime.output("ls /m/below", mounts=[nested.mount]) == "deep\n"


def propagation(runtime, option, path="/m"):
    text = runtime.output("cat /proc/self/mountinfo", mounts=[{**TMPFS, "options": [option]}])
    fields = next(line.split() for line in text.splitlines() if line.split()[4] == path)
    return [field.split(":")[0] for field in fields[6:fields.index("-")]]


@pytest.mark.parametrize("option,expected", [("private", []), ("rprivate", []), ("shared", ["shared"]), ("rshared", ["shared"]), ("slave", []), ("rslave", []),
                                             ("unbindable", ["unbindable"]), ("runbindable", ["unbindable"])])
def test_propagation_of_a_mount(runtime, option, expected):
    assert propagation(runtime, option) == expected


@pytest.mark.parametrize("option", ["rslave", "rshared"])
def test_a_volume_receives_mounts_of_the_host_when_asked(runtime, option):
    volume = runtime.bind("/m", ["rbind", option])
    source = volume["source"]
    subprocess.run(["mount", "--bind", source, source], check=True)
    subprocess.run(["mount", "--make-shared", source], check=True)
    try:
        os.mkdir(source + "/late")
        runtime.config("sleep", "100", mounts=[volume], linux={"rootfsPropagation": option})
        name = runtime.id()
        done = runtime("run", "-d", name)
        assert done.code == 0, done
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", source + "/late"], check=True)
        try:
            pathlib.Path(source, "late", "seen").touch()
            assert os.path.exists(f"/proc/{runtime.state(name)['pid']}/root/m/late/seen")
        finally:
            subprocess.run(["umount", source + "/late"], check=True)
            runtime("delete", "-f", name)
    finally:
        subprocess.run(["umount", source], check=True)


@pytest.mark.parametrize("option", ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"])
def test_propagation_of_the_root(runtime, option):
    text = runtime.output("cat /proc/self/mountinfo", linux={"rootfsPropagation": option})
    fields = next(line.split() for line in text.splitlines() if line.split()[4] == "/")
    optional = [field.split(":")[0] for field in fields[6:fields.index("-")]]
    assert ("shared" in optional) == ("shared" in option) and ("unbindable" in optional) == ("unbindable" in option), fields


def test_mounts_are_done_in_order(runtime):
    first, second = runtime.bind("/m", a="1"), runtime.bind("/m", b="2")
    assert runtime.output("ls /m", mounts=[first, second]) == "b\n"


def test_a_file_can_be_bound_and_its_place_is_made(runtime):
    volume = runtime.bind(file="content\n")
    mount = {"destination": "/deep/down/file", "type": "bind", "source": volume["source"] + "/file", "options": ["bind"]}
    assert runtime.output("cat /deep/down/file", mounts=[mount]) == "content\n"


def test_a_relative_source_counts_from_the_bundle(runtime):
    (runtime.directory / "bundle" / "near").mkdir()
    (runtime.directory / "bundle" / "near" / "file").write_text("near\n")
    assert runtime.output("cat /m/file", mounts=[{"destination": "/m", "type": "bind", "source": "near", "options": ["bind"]}]) == "near\n"


def test_a_bind_type_without_options_is_a_bind(runtime):
    mount = runtime.bind("/m", file="x\n")
    mount["options"] = ["bind"]
    mount["type"] = "none"
    assert runtime.output("cat /m/file", mounts=[mount]) == "x\n"


def test_a_missing_source_is_an_error(runtime):
    runtime.refused("/nosuch/source", mounts=[{"destination": "/m", "type": "bind", "source": "/nosuch/source", "options": ["bind"]}])


def test_a_directory_does_not_go_onto_a_file(runtime):
    (runtime.rootfs / "afile").touch()
    runtime.refused("afile", mounts=[runtime.bind("/afile", ["bind"])])


def test_a_link_inside_the_root_is_followed_inside(runtime):
    (runtime.rootfs / "real").mkdir()
    (runtime.rootfs / "link").symlink_to("/real")
    assert runtime.output("cat /real/file", mounts=[runtime.bind("/link", ["bind"], file="here\n")]) == "here\n"


def test_tmpcopyup_starts_with_what_was_there(runtime):
    (runtime.rootfs / "m" / "sub").mkdir(parents=True)
    (runtime.rootfs / "m" / "sub" / "file").write_text("old\n")
    (runtime.rootfs / "m" / "link").symlink_to("sub/file")
    mount = {**TMPFS, "options": ["tmpcopyup", "mode=755"]}
    assert runtime.output("cat /m/link; echo new > /m/sub/file; cat /m/sub/file", mounts=[mount]) == "old\nnew\n"
    assert (runtime.rootfs / "m" / "sub" / "file").read_text() == "old\n"


def test_a_tmpfs_keeps_the_mode_of_what_it_covers(runtime):
    (runtime.rootfs / "m").mkdir()
    (runtime.rootfs / "m").chmod(0o1777)
    assert runtime.output("stat -c %a /m", mounts=[TMPFS]) == "1777\n"


def test_remount_changes_a_mount_of_before(runtime):
    mount = runtime.bind("/m", ["bind"])
    mounts = [mount, {**mount, "options": ["remount", "bind", "ro"]}]
    text = runtime.output("cat /proc/self/mountinfo", mounts=mounts)
    assert "ro" in next(line.split()[5].split(",") for line in text.splitlines() if line.split()[4] == "/m")


@pytest.mark.parametrize("kind,source,inside", [("proc", "proc", "self"), ("sysfs", "sysfs", "kernel"), ("mqueue", "mqueue", "."), ("devpts", "devpts", "ptmx")])
def test_kernel_file_systems(runtime, kind, source, inside):
    options = ["newinstance"] if kind == "devpts" else []
    assert runtime.output(f"ls -d /m/{inside}", mounts=[{"destination": "/m", "type": kind, "source": source, "options": options}]) == f"/m/{inside}\n"


def test_the_cgroup_mount_shows_the_containers_own_group(runtime):
    mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]}
    v1 = os.path.isdir("/sys/fs/cgroup/memory")
    file = "/sys/fs/cgroup/pids/cgroup.procs" if v1 else "/sys/fs/cgroup/cgroup.procs"
    kinds = ("pid", "network", "ipc", "uts", "mount", "cgroup")
    done = runtime.run(f"cat {file}; touch {os.path.dirname(file)}/x; mkdir {os.path.dirname(file)}/y", mounts=[mount], linux={"namespaces": [{"type": kind} for kind in kinds]})
    assert done.out.split() == ["1", done.out.split()[1]] if len(done.out.split()) > 1 else done.out.split() == ["1"], done
    assert done.err.count("Read-only") == 2, done


def mapped(runtime, options, **mount):
    volume = runtime.bind("/m", options, file="x")
    os.chown(volume["source"] + "/file", 1000, 1000)
    return runtime.output("stat -c %u:%g /m/file", mounts=[{**volume, **mount}])


MAP = [{"containerID": 0, "hostID": 5000, "size": 65536}]


def test_a_mount_with_maps_of_its_own(runtime):
    assert mapped(runtime, ["bind"], uidMappings=[{"containerID": 1000, "hostID": 7, "size": 1}], gidMappings=[{"containerID": 1000, "hostID": 8, "size": 1}]) == "7:8\n"


def test_idmap_leaves_the_mounts_below_alone_and_ridmap_does_not(runtime):
    ids = {"uidMappings": [{"containerID": 0, "hostID": 5000, "size": 10}], "gidMappings": [{"containerID": 0, "hostID": 6000, "size": 10}]}
    with Nested(runtime, bind=True) as nested:
        nested.mount.update(ids)
        nested.mount["options"] = ["rbind", "idmap"]
        assert runtime.output("stat -c %u:%g /m /m/below", mounts=[nested.mount]) == "5000:6000\n0:0\n"
        nested.mount["options"] = ["rbind", "ridmap"]
        assert runtime.output("stat -c %u:%g /m /m/below", mounts=[nested.mount]) == "5000:6000\n5000:6000\n"


def test_idmap_without_maps_is_an_error(runtime):
    runtime.refused("idmap", mounts=[runtime.bind("/m", ["bind", "idmap"])])


def test_maps_on_what_is_no_bind_are_an_error(runtime):
    runtime.refused("/m", mounts=[{**TMPFS, "uidMappings": MAP, "gidMappings": MAP}])


@pytest.mark.parametrize("path", ["/proc/sys/kernel", "/proc/1", "/proc"])
def test_nothing_is_bound_over_proc(runtime, path):
    runtime.refused("inside /proc", mounts=[runtime.bind(path, ["bind"])])


def test_lxcfs_may_cover_single_files_of_proc(runtime):
    volume = runtime.bind(file="MemTotal: 5 kB\n")
    mount = {"destination": "/proc/meminfo", "type": "bind", "source": volume["source"] + "/file", "options": ["bind"]}
    assert runtime.output("cat /proc/meminfo", mounts=[mount]) == "MemTotal: 5 kB\n"


def test_a_relative_destination_is_below_the_root(runtime):
    assert runtime.output("cat /m/file", mounts=[runtime.bind("m", ["bind"], file="x\n")]) == "x\n"


def test_the_hosts_mount_table_stays_as_it_was(runtime):
    before = pathlib.Path("/proc/self/mountinfo").read_text()
    runtime.output("true", mounts=[TMPFS, runtime.bind("/v", ["rbind", "rshared"])])
    assert pathlib.Path("/proc/self/mountinfo").read_text() == before


def test_masked_paths_hide_files_and_directories(runtime):
    (runtime.rootfs / "secret").mkdir()
    (runtime.rootfs / "secret" / "key").write_text("k")
    (runtime.rootfs / "file").write_text("s")
    done = runtime.run("ls -A /secret; cat /file; touch /secret/new; stat -c %F /file", linux={"maskedPaths": ["/secret", "/file", "/nosuch/path"]})
    assert done.out == "character special file\n" and "Read-only" in done.err, done


def test_readonly_paths_stay_readable(runtime):
    (runtime.rootfs / "fixed").mkdir()
    (runtime.rootfs / "fixed" / "key").write_text("k\n")
    done = runtime.run("cat /fixed/key; touch /fixed/new", linux={"readonlyPaths": ["/fixed", "/nosuch/path"]})
    assert done.out == "k\n" and "Read-only" in done.err, done
