"""What every start of the command line costs."""
import subprocess


def test_the_client_loads_nothing_but_the_c_library(engine):
    """Each shared library costs every start a tenth of a millisecond."""
    needed = subprocess.run(["ldd", engine.bin + "/proa"], capture_output=True, text=True, check=True).stdout
    names = sorted(line.split()[0].split("/")[-1] for line in needed.splitlines() if "vdso" not in line)
    assert names == ["ld-linux-x86-64.so.2", "libc.so.6"] or "san.so" in needed, needed
