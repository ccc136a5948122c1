"""Callbacks: the caller's own code inside `fit`, `evaluate` and `predict`."""

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
