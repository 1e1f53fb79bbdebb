# Whether kernels/cuda is compiled: by default where nvcc is found. Sanitizers and clang's analysis do without; the emulation in
# tests/cuda_emulation gives them the same sources as C++.
include(CheckLanguage)
if(NOT TRIMTAB_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  check_language(CUDA)
endif()
if(CMAKE_CUDA_COMPILER)
  set(TRIMTAB_NVCC ON)
endif()
option(TRIMTAB_CUDA "Compile the CUDA backend with nvcc" "${TRIMTAB_NVCC}")
# Ampere (A100, A10), Ada and Hopper as they are; PTX of the last for what comes after.
set(TRIMTAB_CUDA_ARCHITECTURES "80-real;86-real;89-real;90" CACHE STRING "What the kernels are compiled for")

if(TRIMTAB_CUDA)
  set(CMAKE_CUDA_ARCHITECTURES ${TRIMTAB_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # Debian 12's CMake does not know it for later compilers.
  if(TRIMTAB_CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${TRIMTAB_CCACHE})
  endif()
endif()
