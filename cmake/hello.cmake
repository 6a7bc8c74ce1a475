# The hello-world image: its program, its archive, and the object that carries the archive in the daemon.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(HELLO_ARCHITECTURE arm64)
else()
  set(HELLO_ARCHITECTURE amd64)
endif()
add_executable(hello ${CMAKE_SOURCE_DIR}/src/hello/hello.c)
set_target_properties(hello PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/hello)
target_compile_options(hello PRIVATE -Os -g0 -ffreestanding -fno-stack-protector -fno-pie -fno-sanitize=all -fno-asynchronous-unwind-tables -fcf-protection=none)
target_link_options(hello PRIVATE -static -nostdlib -no-pie -s -fno-sanitize=all -Wl,--build-id=none -Wl,-z,noseparate-code)

add_executable(pack_image ${CMAKE_SOURCE_DIR}/tools/pack_image.cc)
target_link_libraries(pack_image PRIVATE proa_codec proa_schema)
set_target_properties(pack_image PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tools)

set(HELLO_WORLD_TAR ${CMAKE_BINARY_DIR}/hello/hello-world.tar)
add_custom_command(OUTPUT ${HELLO_WORLD_TAR}
  COMMAND pack_image ${HELLO_WORLD_TAR} ${HELLO_ARCHITECTURE} hello-world:latest $<TARGET_FILE:hello>
  DEPENDS pack_image hello VERBATIM)
configure_file(${CMAKE_SOURCE_DIR}/src/hello/hello_world_image.S.in ${CMAKE_BINARY_DIR}/hello/hello_world_image.S @ONLY)
set_source_files_properties(${CMAKE_BINARY_DIR}/hello/hello_world_image.S PROPERTIES OBJECT_DEPENDS ${HELLO_WORLD_TAR})
add_library(proa_hello_image STATIC ${CMAKE_BINARY_DIR}/hello/hello_world_image.S)
target_link_libraries(proa_store PUBLIC proa_hello_image)
