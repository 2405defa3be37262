"""The real command line of a study, around a trial of microseconds: a quadratic that `lr` has to hit."""

import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg):
    raise AssertionError("a study runs run_trial, not the script's task")


if __name__ == "__main__":
    main()
