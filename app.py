"""Builds the page and launches it: python app.py, then http://127.0.0.1:7860."""

from fairness_core.hardware.allocator import tune_process

tune_process()

from app.engine import fairness_engine
from app.launch import launch
from app.zero_gpu import hosted

if __name__ == "__main__":
    launch(hosted(fairness_engine()))
