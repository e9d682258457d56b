"""What the kernels are worth, all ways side by side in one run: `hadaptive bench kernels`, Table 4 and Figure 7.

clock.py times a call, on the CPU or a GPU; expansion.py has the operator alone, nets.py the networks; report.py runs
phases against a deadline, saves and prints; phases.py is the whole bench, paper.py the two measurements of the paper.
"""
