"""Speed and memory, measured side by side in one run: ratios, never single times.

python -m benchmarks                      # everything, about half an hour
python -m benchmarks step predict --quick # two of them, in a minute or two
python -m benchmarks plot tables report   # from the stored results alone
"""
