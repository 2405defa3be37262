"""Obtain a data set, check it, split it, and write it to data/<name>/: `python src/prepare.py data=fashion_mnist`."""

import sys
from pathlib import Path


def main(overrides: list[str]) -> int:
    """Prepare what the overrides of conf/train.yaml say; 0 done, 2 a mistake, 3 the data set can be had nowhere."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from regimens.build import build
    from regimens.data import SPLIT_KEYS, prepare
    from regimens.data.fashion import Unavailable
    from regimens.errors import UserError

    try:
        with initialize_config_dir(str(Path(__file__).resolve().parents[1] / "conf"), version_base="1.3"):
            cfg = compose("train", overrides)
        OmegaConf.resolve(cfg.data)
        source = build({"_partial_": True} | {key: cfg.data[key] for key in cfg.data if key not in SPLIT_KEYS})
        how = {key: cfg.data[key] for key in ("n_valid", "n_test", "shuffle")}
        print(prepare(source, dataset=cfg.data.name, directory=cfg.paths.data, **how))
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3 if isinstance(error, Unavailable) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
