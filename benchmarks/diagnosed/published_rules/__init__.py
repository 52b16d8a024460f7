"""Rules of published tools for sick trainings, with their documented thresholds: what ours are compared with.

Each is written anew from its documentation as a pure function of the same signals that our rules see. These are read
after some epochs rather than at each step, over a probe rather than a batch, and kernel and bias of a layer together;
a rule whose signal is not among them is left out, and its function says so.
"""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.diagnosed.published_rules.autotrainer import autotrainer
from benchmarks.diagnosed.published_rules.call import Call
from benchmarks.diagnosed.published_rules.deepdiagnosis import deepdiagnosis
from benchmarks.diagnosed.published_rules.sagemaker import sagemaker
from benchmarks.diagnosed.published_rules.umlaut import umlaut
from pipeline.diagnosis.signals import Signals

PUBLISHED: Mapping[str, Callable[[Signals], Sequence[Call]]] = {
    "AUTOTRAINER": autotrainer,
    "SageMaker Debugger": sagemaker,
    "DeepDiagnosis": deepdiagnosis,
    "UMLAUT": umlaut,
}
