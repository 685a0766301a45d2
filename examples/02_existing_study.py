"""Search the order of a block inside an Optuna study of your own, in plain PyTorch."""

import optuna
import torch
from sklearn.datasets import load_wine
from torch import nn

from ordersearch import SearchSpace, build_block

SPACE = SearchSpace.load("dense")
x, y = (torch.from_numpy(values) for values in load_wine(return_X_y=True))
x = ((x - x.mean(0)) / x.std(0)).float()


def objective(trial: optuna.Trial) -> float:
    spec = SPACE.suggest(trial)["dense"]
    width = trial.suggest_categorical("width", [16, 64])
    torch.manual_seed(0)
    model = nn.Sequential(build_block(spec, 13, width), build_block(spec, width, width), nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), **SPACE.suggest_nuisance(trial))
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[::2]), y[::2])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        return nn.functional.cross_entropy(model(x[1::2]), y[1::2]).item()


def main(n_trials: int = 20) -> None:
    study = optuna.create_study(study_name="wine")
    for reference in SPACE.references():
        study.enqueue_trial(SPACE.encode(reference.blocks))
    study.optimize(objective, n_trials=n_trials)
    print(f"{study.best_value:.4f}  {SPACE.decode(study.best_params)['dense']}")


if __name__ == "__main__":
    main()
