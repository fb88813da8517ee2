"""How fast the methods are and how much memory they take, at sizes of a large shop. `puffy bench methods` runs it.

Samples are random and in memory: what is measured is the method, not the reading. Each is a process of its own.
"""

from puffy_platform.speed.measure import Cost
from puffy_platform.speed.tasks import GROUPS, TASKS, Task
from puffy_platform.speed.timed import Timed, measure_task

__all__ = ["GROUPS", "TASKS", "Cost", "Task", "Timed", "measure_task"]
