"""Where a container's processes are, as the kernel tells it."""
import glob
import os


def directory_of(api, container, controller):
    """The container's directory in the v1 hierarchy of `controller`; None where there is no such hierarchy."""
    with open(f"/proc/{api.state(container)['Pid']}/cgroup") as file:
        for line in file:
            _, names, path = line.strip().split(":", 2)
            if controller in names.split(","):
                for mount in glob.glob("/sys/fs/cgroup/*"):
                    if controller in os.path.basename(mount).split(","):
                        return mount + path
    return None
