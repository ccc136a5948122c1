"""Callbacks: the caller's own code inside `fit`, `evaluate` and `predict`."""

from typing import TYPE_CHECKING

from convlet._lazy import LazyNames, attach

if TYPE_CHECKING:
    from convlet.callbacks.backup_and_restore import BackupAndRestore
    from convlet.callbacks.callback import Callback
    from convlet.callbacks.callback_list import CallbackList
    from convlet.callbacks.csv_logger import CSVLogger
    from convlet.callbacks.early_stopping import EarlyStopping
    from convlet.callbacks.history import History
    from convlet.callbacks.lambda_callback import LambdaCallback
    from convlet.callbacks.learning_rate_scheduler import LearningRateScheduler
    from convlet.callbacks.model_checkpoint import ModelCheckpoint
    from convlet.callbacks.progbar_logger import ProgbarLogger
    from convlet.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
    from convlet.callbacks.swap_ema_weights import SwapEMAWeights
    from convlet.callbacks.tensor_board import TensorBoard
    from convlet.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

__getattr__, __dir__ = attach(
    __name__,
    LazyNames(
        __name__,
        {
            "backup_and_restore": ("BackupAndRestore",),
            "callback": ("Callback",),
            "callback_list": ("CallbackList",),
            "csv_logger": ("CSVLogger",),
            "early_stopping": ("EarlyStopping",),
            "history": ("History",),
            "lambda_callback": ("LambdaCallback",),
            "learning_rate_scheduler": ("LearningRateScheduler",),
            "model_checkpoint": ("ModelCheckpoint",),
            "progbar_logger": ("ProgbarLogger",),
            "reduce_lr_on_plateau": ("ReduceLROnPlateau",),
            "swap_ema_weights": ("SwapEMAWeights",),
            "tensor_board": ("TensorBoard",),
            "terminate_on_nan": ("TerminateOnNaN",),
        },
    ),
)
