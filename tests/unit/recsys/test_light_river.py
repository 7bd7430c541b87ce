"""What an engine leaves for later, and that it comes when it is asked for.

Each in a process of its own: what others have imported stays imported.
"""

import subprocess
import sys

HEAVY = "[name for name in sys.modules if name.startswith('scipy.stats')]"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_engine_does_without_scipys_statistics() -> None:
    # With a logistic regression of River's per person.
    code = f"""
import sys
from recsys.engine import Engine
from recsys.settings import EngineSettings
settings = EngineSettings()
Engine.open(None, settings)
print(settings.learners.user_model.estimator, "river.linear_model" in sys.modules, {HEAVY})
"""
    assert run(code) == "river.linear_model.LogisticRegression True []"


def test_who_needs_them_gets_them() -> None:
    code = """
import recsys.engine
from river.drift import KSWIN
from river.proba import MultivariateGaussian
from river.tree import SGTClassifier
test, cloud = KSWIN(window_size=20, stat_size=5), MultivariateGaussian(seed=1)
tree = SGTClassifier()
for number in range(400):
    test.update(number / 10)
    cloud.update({"a": number % 7, "b": number % 5})
    tree.learn_one({"a": number % 7}, number % 7 > 3)
import scipy.stats
from scipy import stats
assert stats is scipy.stats
assert stats.norm.cdf(0) == 0.5
print(round(test.p_value, 4), round(cloud({"a": 3, "b": 2}), 4), tree.predict_one({"a": 6}))
"""
    assert run(code) == run(code.replace("import recsys.engine", ""))


def test_those_who_had_them_keep_them() -> None:
    code = """
import scipy.stats as before
import recsys.engine
import river.drift.kswin, scipy.stats
print(before is scipy.stats is river.drift.kswin.stats)
"""
    assert run(code) == "True"
