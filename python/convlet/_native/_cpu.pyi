"""
Instruction-set levels and name of this CPU.
"""

__all__: list[str] = ["available_levels", "cpu_name"]

def available_levels() -> list[str]:
    """
    Instruction-set levels that the CPU and the operating system support, best first.

    Empty on architectures whose baseline is all that convlet uses.
    """

def cpu_name() -> str:
    """
    The CPU's own name for itself, or "unknown" where it has none.
    """
