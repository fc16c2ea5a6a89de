// Owns the precompiled headers of test programs; see tp_test() in TensorpoolTargets.cmake.
int main() { return 0; }
