"""Programs that cannot run: Docker's status, and an error that names the cause."""
import pytest

# program, words of which one must be in what Proa says
ODD = [
    ("/crlf.sh", ["carriage return", "CRLF", "DOS line"]),
    ("/nointerp.sh", ["/no/such/interpreter"]),
    ("/foreign", ["arm64", "x86-64", "aarch64"]),
    ("/dynamic", ["ld-linux", "/lib64/"]),
    ("/noshebang", ["#!", "exec format error"]),
    ("/empty", ["empty", "exec format error"]),
]


@pytest.mark.parametrize("program, words", ODD)
def test_api(api, program, words):
    container = api.create(program, image="odd")
    answer = api.post(f"/containers/{container}/start")
    if answer.status == 204:  # Docker: the program fails after the start has been acknowledged
        api.wait(container)
        said = "".join(api.logs(container))
        assert api.state(container)["ExitCode"] in (1, 126, 127, 255)
    else:
        assert answer.status == 400, answer
        said = answer.message
        assert api.state(container)["ExitCode"] in (126, 127)
    assert f"exec {program}: " in said or f'exec: "{program}": ' in said, said
    assert "no such file or directory" in said or "exec format error" in said
    if not api.engine.is_docker():
        assert any(word in said for word in words), said


@pytest.mark.parametrize("program, words", ODD)
def test_cli(docker, program, words, engine):
    done = docker("run", "--rm", "odd", program)
    assert done.returncode in ((1, 255) if engine.is_docker() else (125, 126, 127))  # Proa refuses the start
    if not engine.is_docker():
        assert any(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("program, text, code", [("/noexec.sh", "permission denied", 126), ("/adirectory", "", 126), ("/nosuch", "no such file or directory", 127), ("nosuch", "executable file not found in $PATH", 127)])
def test_refused_before_the_start(api, docker, program, text, code):
    container = api.create(program, image="odd")
    answer = api.post(f"/containers/{container}/start")
    assert answer.status == 400 and text in answer.message and program in answer.message
    assert api.state(container)["ExitCode"] == code
    docker("run", "--rm", "odd", program, check=code)


def test_foreign_image(api, docker):
    answer = api.post("/containers/create", {"Image": "wrongarch", "Cmd": ["true"]})
    if api.engine.is_docker(20):
        return
    assert answer.status == 201
    assert "does not match the detected host platform" in answer.json()["Warnings"][0] 
    done = docker("run", "--rm", "wrongarch", "echo", "hi", check=0)
    assert "WARNING: The requested image's platform" in done.stderr


def test_argument_list_too_long(api):
    container = api.create("echo", *["x" * 100000] * 30)
    answer = api.post(f"/containers/{container}/start")
    if answer.status == 204:
        assert api.wait(container) != 0 and "too long" in "".join(api.logs(container)).lower()
    else:
        assert "too long" in answer.message.lower() and api.state(container)["ExitCode"] in (126, 127, 128)


def test_workdir_that_is_a_file(api):
    answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "WorkingDir": "/etc/passwd"})
    if answer.status == 201:
        answer = api.post(f"/containers/{answer.json()['Id']}/start")
    assert answer.status in (400, 500) and "not a directory" in answer.message.lower()


def test_bind_over_a_wrong_kind(api, tmp_path):
    (tmp_path / "file").write_text("")
    container = api.create("true", host={"Binds": [f"{tmp_path}/file:/etc"]})
    answer = api.post(f"/containers/{container}/start")
    assert answer.status in (400, 500) and "not a directory" in answer.message.lower()


def test_a_container_after_all_that_works(docker):
    assert docker.output("run", "--rm", "busybox", "echo", "fine") == "fine"
