"""Bring an Optuna study that is there already to our search space: its trials count, in plain PyTorch."""

import optuna
import torch
from sklearn.datasets import load_wine
from torch import nn

from ordersearch import BlockSpec, SearchSpace, build_block
from ordersearch.attach import backfill, begin_run, check_sampler, ranked

SPACE = SearchSpace.load("dense")
BEFORE = BlockSpec.parse("linear > relu > batch_norm > dropout(p=0.3)")
x, y = (torch.from_numpy(values) for values in load_wine(return_X_y=True))
x = ((x - x.mean(0)) / x.std(0)).float()


def train(spec: BlockSpec, lr: float, width: int, seed: int, trial: optuna.Trial) -> float:
    torch.manual_seed(seed)
    model = nn.Sequential(build_block(spec, 13, width), build_block(spec, width, width), nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for epoch in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model.train()(x[::2]), y[::2]).backward()
        optimizer.step()
        with torch.no_grad():
            loss = nn.functional.cross_entropy(model.eval()(x[1::2]), y[1::2]).item()
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


def old_objective(trial: optuna.Trial) -> float:
    lr, width = trial.suggest_categorical("lr", [0.003, 0.01, 0.03]), trial.suggest_categorical("width", [16, 64])
    return train(BEFORE, lr, width, trial.number, trial)


def new_objective(trial: optuna.Trial) -> float:
    lr, width = trial.suggest_categorical("lr", [0.003, 0.01, 0.03]), trial.suggest_categorical("width", [16, 64])
    run = begin_run(trial, SPACE)  # a known network gets its next seed, or is pruned here once it has had three
    return train(run.blocks["dense"], lr, width, run.seed, trial)


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    old = optuna.create_study(study_name="wine", sampler=optuna.samplers.TPESampler(seed=0))
    old.optimize(old_objective, n_trials=20)
    print(*check_sampler(old, SPACE), sep="\n")
    new = optuna.create_study(study_name="wine-orders", sampler=optuna.samplers.TPESampler(seed=0))
    print(backfill(old, new, SPACE, BEFORE))
    print(*check_sampler(new, SPACE) or ["TPESampler models all parameters together."])
    new.optimize(new_objective, n_trials=30)
    for place in ranked(new)[:5]:
        print(place)


if __name__ == "__main__":
    main()
