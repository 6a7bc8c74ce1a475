"""linux.seccomp: actions, operators, flags, architectures and the notify listener. Spec: config-linux.md, Seccomp."""
import array
import ctypes
import fcntl
import json
import os
import socket
import struct
import threading

import pytest

from support.system_call_probe import probe

ARCH = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}[os.uname().machine]


def profile(*rules, default="SCMP_ACT_ALLOW", **more):
    return {"linux": {"seccomp": {"defaultAction": default, "architectures": [ARCH], "syscalls": list(rules), **more}}}


def rule(action, *names, **more):
    return {"names": list(names), "action": action, **more}


MKDIR = ("mkdir", "mkdirat")


@pytest.mark.parametrize("action,code", [("SCMP_ACT_KILL", 159), ("SCMP_ACT_KILL_THREAD", 159), ("SCMP_ACT_KILL_PROCESS", 159), ("SCMP_ACT_TRAP", 159)])
def test_an_action_that_ends_the_process(runtime, action, code):
    done = runtime.run("mkdir /tmp/x; echo $?", **profile(rule(action, *MKDIR)))
    assert done.out.strip() == str(code) and not (runtime.rootfs / "tmp" / "x").exists(), done


@pytest.mark.parametrize("more,word", [({}, "not permitted"), ({"errnoRet": 2}, "No such file"), ({"errnoRet": 38}, "not implemented"), ({"errnoRet": 28}, "No space")])
def test_an_errno(runtime, more, word):
    assert word in runtime.run("mkdir /tmp/x", **profile(rule("SCMP_ACT_ERRNO", *MKDIR, **more))).err


@pytest.mark.parametrize("action", ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"])
def test_an_action_that_lets_through(runtime, action):
    assert runtime.output("mkdir /tmp/x && echo made", **profile(rule(action, *MKDIR))) == "made\n"


def test_trace_without_a_tracer_is_enosys(runtime):
    assert "not implemented" in runtime.run("mkdir /tmp/x", **profile(rule("SCMP_ACT_TRACE", *MKDIR))).err


def test_a_default_errno_with_a_list_of_what_is_allowed(runtime):
    allowed = [name.strip() for name in open(os.path.join(os.path.dirname(__file__), "allowed_calls.txt"), encoding="ascii") if name.strip()]
    done = runtime.run("echo one; mkdir /tmp/x", **profile(rule("SCMP_ACT_ALLOW", *allowed), default="SCMP_ACT_ERRNO", defaultErrnoRet=95))
    assert done.out == "one\n" and "not supported" in done.err, done


# personality(2) answers without effect on us: its argument is compared.
OPERATORS = {"SCMP_CMP_NE": (0x20000, 0, [0x8]), "SCMP_CMP_LT": (0x10, 0, [0x8, 0x0]), "SCMP_CMP_LE": (0x8, 0, [0x8, 0x0]), "SCMP_CMP_EQ": (0x8, 0, [0x8]), "SCMP_CMP_GE": (0x8, 0, [0x8, 0x20008]),
             "SCMP_CMP_GT": (0x8, 0, [0x20008]), "SCMP_CMP_MASKED_EQ": (0xf, 0x8, [0x8, 0x20008])}


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator(runtime, operator):
    value, second, _ = OPERATORS[operator]
    matches = {"SCMP_CMP_NE": lambda x: x != value, "SCMP_CMP_LT": lambda x: x < value, "SCMP_CMP_LE": lambda x: x <= value, "SCMP_CMP_EQ": lambda x: x == value,
               "SCMP_CMP_GE": lambda x: x >= value, "SCMP_CMP_GT": lambda x: x > value, "SCMP_CMP_MASKED_EQ": lambda x: x & value == second}[operator]
    argument = {"index": 0, "value": value, "op": operator}
    if second:
        argument["valueTwo"] = second
    numbers = [0x0, 0x8, 0x9, 0x10, 0x20000, 0x20008]
    found = probe(runtime, [("personality", number) for number in numbers], **profile(rule("SCMP_ACT_ERRNO", "personality", errnoRet=77, args=[argument])))
    assert [errno == 77 for errno in found] == [matches(number) for number in numbers], found


def test_all_arguments_of_a_rule_must_hold(runtime):
    arguments = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]
    found = probe(runtime, [("kcmp", 1, 2), ("kcmp", 1, 3), ("kcmp", 3, 2)], **profile(rule("SCMP_ACT_ERRNO", "kcmp", errnoRet=77, args=arguments)))
    assert [errno == 77 for errno in found] == [True, False, False]


def test_two_rules_for_one_call_mean_either(runtime):
    rules = [rule("SCMP_ACT_ERRNO", "personality", errnoRet=77, args=[{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]) for value in (0, 8)]
    found = probe(runtime, [("personality", 0), ("personality", 8), ("personality", 0x20000)], **profile(*rules))
    assert [errno == 77 for errno in found] == [True, True, False]


def test_values_of_64_bits(runtime):
    argument = {"index": 0, "value": 0xffffffff00000063, "op": "SCMP_CMP_EQ"}
    found = probe(runtime, [("lseek", 0xffffffff00000063), ("lseek", 0x63)], **profile(rule("SCMP_ACT_ERRNO", "lseek", errnoRet=77, args=[argument])))
    assert [errno == 77 for errno in found] == [True, False]


@pytest.mark.parametrize("flag", ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"])
def test_a_flag(runtime, flag):
    assert "not permitted" in runtime.run("mkdir /tmp/x", **profile(rule("SCMP_ACT_ERRNO", *MKDIR), flags=[flag])).err


def test_a_system_call_that_nobody_knows_is_left_out(runtime):
    assert runtime.output("echo fine", **profile(rule("SCMP_ACT_ERRNO", "nosuchcall", "mkdir"))) == "fine\n"


def test_the_filter_is_loaded_before_the_program(runtime):
    text = runtime.output("grep -E '^Seccomp(:|_filters)' /proc/self/status", **profile(rule("SCMP_ACT_ERRNO", "mkdir")))
    assert text.split()[1] == "2" and text.split()[3] == "1", text


def test_no_filter_without_a_profile(runtime):
    assert runtime.output("grep ^Seccomp: /proc/self/status").split()[1] == "0"


def test_the_filter_holds_for_exec(runtime):
    name = runtime.start_detached("sleep", "100", **profile(rule("SCMP_ACT_ERRNO", *MKDIR)))
    assert "not permitted" in runtime("exec", name, "mkdir", "/tmp/x").err


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_filter_for_a_plain_user(runtime, no_new_privileges):
    process = {"user": {"uid": 1000, "gid": 1000}, "noNewPrivileges": no_new_privileges}
    assert "not permitted" in runtime.run("chmod 700 /tmp; echo done", process=process, **profile(rule("SCMP_ACT_ERRNO", "chmod", "fchmodat"))).err


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="of this machine")
def test_another_architecture_than_those_listed_dies(runtime):
    # getpid of the 32-bit ABI: the profile names the native one only.
    done = probe(runtime, [("int80", 20)], check=False, **profile(rule("SCMP_ACT_ERRNO", "mkdir")))
    assert done.code in (159, 31), done


@pytest.mark.parametrize("change,word", [({"defaultAction": "SCMP_ACT_NOSUCH"}, "SCMP_ACT_NOSUCH"), ({"architectures": ["SCMP_ARCH_NOSUCH"]}, "SCMP_ARCH_NOSUCH"), ({"flags": ["SECCOMP_FILTER_FLAG_NOSUCH"]}, "NOSUCH"),
                                         ({"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_WRONG"}]}, "SCMP_ACT_WRONG"),
                                         ({"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_WRONG"}]}]}, "SCMP_CMP_WRONG"),
                                         ({"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}, "listenerPath"), ({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/x"}, "SCMP_ACT_NOTIFY"),
                                         ({"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}], "listenerPath": "/nosuch/agent.sock"}, "/nosuch/agent.sock")])
def test_a_profile_that_cannot_be_is_refused(runtime, change, word):
    changes = profile(rule("SCMP_ACT_ERRNO", "mkdir"))
    changes["linux"]["seccomp"].update(change)
    runtime.refused(word, **changes)


NOTIF_RECV, NOTIF_SEND = 0xc0502100, 0xc0182101


class Agent:
    """Takes the notify descriptor and answers every call with one errno."""

    def __init__(self, path, errno):
        self.errno, self.state, self.error = errno, None, None
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(4)
        self.socket.settimeout(15)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                peer, _ = self.socket.accept()
                text, ancillary, _, _ = peer.recvmsg(65536, socket.CMSG_SPACE(16))
                self.state = json.loads(text)
                fd = array.array("i", ancillary[0][2])[0]
                threading.Thread(target=self.answer, args=(fd,), daemon=True).start()
        except OSError as gone:
            self.error = gone

    def answer(self, fd):
        try:
            while True:
                request = bytearray(80)
                fcntl.ioctl(fd, NOTIF_RECV, request)
                fcntl.ioctl(fd, NOTIF_SEND, bytearray(struct.pack("=QqiI", struct.unpack("=Q", request[:8])[0], 0, -self.errno, 0)))
        except OSError:
            os.close(fd)


@pytest.mark.parametrize("way", ["run", "create", "exec"])
def test_notify_asks_the_agent(runtime, way):
    path = runtime.directory / "agent.sock"
    agent = Agent(path, 93)  # EPROTONOSUPPORT
    changes = profile(rule("SCMP_ACT_NOTIFY", *MKDIR), listenerPath=str(path), listenerMetadata="some text")
    if way == "run":
        done = runtime.run("mkdir /tmp/x", **changes)
        assert "Protocol not supported" in done.err, done
    else:
        name = runtime.id()
        script = "mkdir /tmp/x 2> /told; sleep 100" if way == "create" else "sleep 100"
        runtime.config("sh", "-c", script, annotations={"k": "v"}, **changes)
        for words in (["create", name], ["start", name]):
            done = runtime(*words)
            assert done.code == 0, done
        if way == "create":
            for _ in range(200):
                if (runtime.rootfs / "told").exists() and (runtime.rootfs / "told").read_text():
                    break
                threading.Event().wait(0.02)
            assert "Protocol not supported" in (runtime.rootfs / "told").read_text()
        else:
            agent.state = None
            done = runtime("exec", name, "mkdir", "/tmp/x")
            assert "Protocol not supported" in done.err, done
        assert agent.state["state"]["id"] == name and agent.state["state"]["pid"] == runtime.state(name)["pid"]
        assert agent.state["state"]["annotations"] == {"k": "v"}
    assert agent.state["fds"] == ["seccompFd"] and agent.state["metadata"] == "some text" and agent.state["pid"] > 1
    agent.socket.close()
