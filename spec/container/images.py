"""Builds the image of the Dockerfile without a registry: its base comes from debootstrap."""
import json
import os
import pathlib
import shlex
import subprocess

SOURCE = pathlib.Path(os.environ["GATEYES_SOURCE"])
HOME = pathlib.Path(os.environ["GATEYES_CONTAINER_HOME"])
BASE, IMAGE = "localhost/gateyes-test-base", "localhost/gateyes-test"
DRIVERS = ("overlay", "vfs")  # vfs copies whole layers, but works everywhere


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise RuntimeError("%s: status %d\n%s%s" % (shlex.join(map(str, command)), done.returncode, done.stdout[-4000:],
                                                   done.stderr[-4000:]))
    return done.stdout.strip()


class Buildah:
    """Its storage lies in the build folder, so that a second run finds the layers of the first."""

    def __init__(self):
        HOME.mkdir(parents=True, exist_ok=True)
        self.driver = self.find_driver()

    def words(self, *words, driver=None):
        driver = driver or self.driver
        return ["buildah", "--root", HOME / driver, "--runroot", HOME / (driver + "-run"), "--storage-driver", driver,
                *words]

    def __call__(self, *words):
        return run(*self.words(*words))

    def find_driver(self):
        for driver in DRIVERS:
            try:
                container = run(*self.words("from", "scratch", driver=driver))
                run(*self.words("mount", container, driver=driver))
                run(*self.words("rm", container, driver=driver))
                return driver
            except RuntimeError as error:
                reason = error
        raise reason

    def has(self, image):
        return subprocess.run([str(word) for word in self.words("inspect", "--type", "image", image)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def config(self, image):
        return json.loads(self("inspect", "--type", "image", image))["OCIv1"]["config"]


def mirror():
    """Where this machine gets Debian from."""
    rows = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages",
               "Origin: Debian", "Codename: bookworm")
    return rows.split()[0]


def make_base(buildah):
    """debian:12-slim's nearest relative; apt reaches its mirror in there as it does on this machine."""
    if buildah.has(BASE):
        return
    root = HOME / "base"
    if root.exists():
        run("rm", "-rf", root)
    run("debootstrap", "--variant=minbase", "bookworm", root, mirror())
    settings = [line for line in run("apt-config", "dump").splitlines() if line.startswith("Acquire::")]
    (root / "etc/apt/apt.conf.d/00host").write_text("\n".join(settings) + "\n")
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    container = buildah("from", "scratch")
    buildah("add", "-q", container, root, "/")
    buildah("commit", "-q", container, BASE)
    buildah("rm", container)
    run("rm", "-rf", root)


def build_image(buildah):
    make_base(buildah)
    buildah("build", "--isolation", "chroot", "--layers", "--format", "docker", "--pull-never", "--build-arg",
            "BASE=" + BASE, "-t", IMAGE, SOURCE)
