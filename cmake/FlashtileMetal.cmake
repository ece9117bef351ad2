# Kernels for Apple GPUs: text of the Metal Shading Language, one file a family of kernels, written into build/metal.

find_package(Python3 QUIET COMPONENTS Interpreter)

# flashtile_metal_sources(<variable> <name>:<version>:<file>...): writes each file and what it includes as <name>.metal, for the
# language of that version, and as a C++ string in <name>.metal.inc. Sets the variable to the strings' files.
function(flashtile_metal_sources variable)
  set(tool ${PROJECT_SOURCE_DIR}/tools/metal_source.py)
  set(folder ${PROJECT_BINARY_DIR}/metal)
  file(MAKE_DIRECTORY ${folder})
  set(outputs)
  foreach(entry IN LISTS ARGN)
    string(REPLACE ":" ";" entry "${entry}")
    list(GET entry 0 name)
    list(GET entry 1 version)
    list(GET entry 2 file)
    set(output ${folder}/${name}.metal)
    add_custom_command(OUTPUT ${output} ${output}.inc
                       COMMAND ${Python3_EXECUTABLE} ${tool} ${PROJECT_SOURCE_DIR}/${file} --version ${version}
                               --output ${output} --literal ${output}.inc --dependencies ${output}.d
                       DEPENDS ${tool} ${PROJECT_SOURCE_DIR}/${file} DEPFILE ${output}.d VERBATIM)
    list(APPEND outputs ${output}.inc)
  endforeach()
  set(${variable} ${outputs} PARENT_SCOPE)
endfunction()
