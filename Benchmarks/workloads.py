"""What is promoted: the images of each case, made anew for every run, so that nobody has seen them before."""

from dataclasses import dataclass, field

import images

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# The first six that an index of today has.
ARCHITECTURES = ["amd64", "arm64", "arm", "ppc64le", "riscv64", "s390x"]


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    big_layer: int
    layers: int
    layer: int
    platforms: int
    platform_layers: int
    platform_layer: int
    tags: int
    bases: int
    base: int
    unique: int
    repositories: int
    repository_tags: int
    memory: dict


FULL = Sizes(
    big_layer=GIB, layers=50, layer=4 * MIB, platforms=6, platform_layers=8, platform_layer=2 * MIB,
    tags=200, bases=10, base=8 * MIB, unique=64 * KIB, repositories=40, repository_tags=5,
    memory={"1 MiB": MIB, "64 MiB": 64 * MIB, "1 GiB": GIB, "4 GiB": 4 * GIB})

# To try the harness itself.
QUICK = Sizes(
    big_layer=32 * MIB, layers=8, layer=256 * KIB, platforms=3, platform_layers=3, platform_layer=128 * KIB,
    tags=16, bases=4, base=256 * KIB, unique=16 * KIB, repositories=6, repository_tags=2,
    memory={"1 MiB": MIB, "4 GiB": 64 * MIB})


@dataclass(frozen=True)
class Item:
    """An image in the source registry: its name, a tag, its manifest."""

    image: str
    tag: str
    manifest: images.Manifest


@dataclass
class Workload:
    """What is put into the source, and what of it is promoted."""

    promoted: list
    others: list = field(default_factory=list)
    # Promoted before the measured run, to the same target.
    seed: list = field(default_factory=list)
    # Blobs that the target holds already, in other repositories.
    bases: set = field(default_factory=set)

    def blob_bytes(self):
        """Bytes of all blobs that are promoted, each once."""
        blobs = {blob.digest: blob.size for item in self.promoted for blob in item.manifest.all_blobs()}
        return sum(blobs.values())

    def sizes(self):
        return {
            blob.digest: blob.size for item in [*self.promoted, *self.others, *self.seed] for blob in item.manifest.all_blobs()}


def one_layer(size):
    def make(name, sizes):
        layer = images.layer(f"{name}/layer", size(sizes))
        return Workload([Item(f"shop/{name}", "1.0.0", images.image(name, [layer]))])
    return make


big = one_layer(lambda sizes: sizes.big_layer)


def layers(name, sizes):
    parts = [images.layer(f"{name}/{number}", sizes.layer) for number in range(sizes.layers)]
    return Workload([Item(f"shop/{name}", "1.0.0", images.image(name, parts))])


def multi(name, sizes):
    children = {}
    for architecture in ARCHITECTURES[:sizes.platforms]:
        parts = [
            images.layer(f"{name}/{architecture}/{number}", sizes.platform_layer)
            for number in range(sizes.platform_layers)]
        children[architecture] = images.image(f"{name}/{architecture}", parts, architecture)
    return Workload([Item(f"shop/{name}", "1.0.0", images.index(children))])


def _bases(name, sizes):
    return [images.layer(f"{name}/base/{number}", sizes.base) for number in range(sizes.bases)]


def _on_bases(name, bases, sizes):
    return images.image(name, [*bases, images.layer(f"{name}/unique", sizes.unique)])


def family(name, sizes):
    bases = _bases(name, sizes)
    tags = [f"1.{number}.0" for number in range(sizes.tags)]
    return Workload([Item(f"shop/{name}", tag, _on_bases(f"{name}/{tag}", bases, sizes)) for tag in tags])


def monorepo(name, sizes):
    bases = _bases(name, sizes)
    promoted, others = [], []
    for number in range(sizes.repositories):
        for tag in range(sizes.repository_tags):
            service = f"{name}-{number:02}"
            item = Item(f"shop/{service}", f"v{tag}", _on_bases(f"{service}/v{tag}", bases, sizes))
            (others if tag else promoted).append(item)
    base = Item(f"platform/{name}-base", "1.0.0", images.image(f"{name}/base", bases))
    return Workload(promoted, others, seed=[base], bases={each.digest for each in bases})
