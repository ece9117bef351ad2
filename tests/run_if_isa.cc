// run_if_isa ISA PROGRAM [ARGUMENT...]: becomes PROGRAM if this CPU has the instruction set (cuda: this machine
// an NVIDIA GPU), else says so and exits 77, which ctest counts as skipped. Stands before each test program
// that was compiled for one instruction set.
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdio>
#include <string_view>

namespace {

bool has(std::string_view isa) {
  if (isa.starts_with("cpu_scalar") || isa.starts_with("cpu_neon")) return true;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == "cpu_avx2") return avx2;
  const bool avx512 = [=] {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }();
  if (isa == "cpu_avx512") return avx512;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0,
           eax1 = 0;  // of leaf 7: compilers do not know all of these by name
  __get_cpuid_count(7, 1, &eax1, &ebx, &ecx, &edx);
  __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
  const bool bf16 = avx512 && (eax1 >> 5 & 1) != 0 && (ecx >> 11 & 1) != 0;  // AVX512-BF16, VNNI
  if (isa == "cpu_avx512_bf16") return bf16;
  if (isa == "cpu_amx") return bf16 && (edx >> 22 & 1) != 0 && (edx >> 24 & 1) != 0 && (edx >> 25 & 1) != 0;
#endif
  return isa == "cuda" && access("/dev/nvidiactl", F_OK) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: run_if_isa ISA PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  if (!has(argv[1])) {
    std::printf("skipped: this %s has no %s\n", std::string_view(argv[1]) == "cuda" ? "machine" : "CPU",
                argv[1]);
    return 77;
  }
  execv(argv[2], argv + 2);
  std::perror(argv[2]);
  return 2;
}
