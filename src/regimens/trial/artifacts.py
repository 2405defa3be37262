"""The files of a trial beside its result: configuration, weights, and what a prediction needs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.files import write_bytes, write_text
from regimens.core.secrets import redact

if TYPE_CHECKING:
    from regimens.data.split import Split
    from regimens.training.callbacks import BestWeights
    from regimens.training.module import RegimenModule


def save(module: "RegimenModule", best: "BestWeights", config: Mapping[str, Any], directory: Path) -> None:
    """Write the configuration and the weights: `best` at the lowest validation loss, `final` as the trial ended."""
    from safetensors.torch import save as serialised

    final = {name: value.contiguous() for name, value in module.net.state_dict().items()}
    for name, state in (("best", best.state or final), ("final", final)):
        write_bytes(serialised(state), directory / f"{name}.safetensors")
    save_config(config, directory)


def save_config(config: Mapping[str, Any], directory: Path) -> None:
    """Write the configuration, with stars in place of secrets."""
    write_text(as_yaml(redact(config)), directory / "config.yaml")


def as_yaml(config: Mapping[str, Any]) -> str:
    """A configuration as YAML that OmegaConf reads back as it was; its own writer takes 10 ms."""
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """Quotes strings that OmegaConf would read as numbers, such as 1e-3."""

        def represent_str(self, data: str) -> yaml.ScalarNode:
            """A string, quoted where needed."""
            return self.represent_scalar("tag:yaml.org,2002:str", data, style="'" if is_number(data) else None)

    Dumper.add_representer(str, Dumper.represent_str)
    return yaml.dump(config, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def is_number(text: str) -> bool:
    """Whether Python reads a string as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def save_inputs(split: "Split", directory: Path) -> None:
    """Write what a prediction needs besides the weights: how inputs were scaled, and what the outputs stand for."""
    from safetensors.numpy import save as serialised

    if split.inputs is None:
        return
    told = {"classes": list(split.class_names), "n_outputs": split.n_outputs, "inputs": split.inputs.plain()}
    told |= {"targets": split.targets.plain()} if split.targets else {}
    metadata = {"scale": split.inputs.scale.kind, "regimens": json.dumps(told)}
    write_bytes(serialised(split.inputs.arrays(), metadata), directory / "inputs.safetensors")
