"""Obtain a data set, check it, split it, and write it to data/<name>/: `python src/prepare.py data=fashion_mnist`."""

import sys


def main(overrides: list[str]) -> int:
    """Prepare what the overrides of conf/train.yaml say; 0 done, 2 a mistake, 3 the data set is not available."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from regimens import catalogue
    from regimens.cli import CONF
    from regimens.core.build import build
    from regimens.core.errors import UserError
    from regimens.data import HOW_KEYS, SPLIT_KEYS, prepare
    from regimens.data.fashion import Unavailable

    try:
        catalogue.check_options(overrides, CONF)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("train", overrides)
        OmegaConf.resolve(cfg.data)
        node = {str(key): cfg.data[key] for key in cfg.data}  # raises for a mandatory value that is missing
        source = build({"_partial_": True} | {key: value for key, value in node.items() if key not in SPLIT_KEYS})
        how = {key: node[key] for key in HOW_KEYS if key in node}
        folder, said = prepare(source, dataset=node["name"], directory=cfg.paths.data, kind=cfg.task.kind, **how)
        for sentence in said:
            print(sentence, file=sys.stderr)
        print(folder)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3 if isinstance(error, Unavailable) else 2
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
