# Finds llhttp: a system library where there is one (Debian 13), else the generated C sources that
# Debian 12 ships in node-llhttp, compiled here. Defines the target llhttp::llhttp.
find_path(LLHTTP_INCLUDE_DIR llhttp.h PATH_SUFFIXES llhttp PATHS /usr/include /usr/share/include)
find_library(LLHTTP_LIBRARY NAMES llhttp)
find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp)

include(FindPackageHandleStandardArgs)
if(LLHTTP_LIBRARY)
  find_package_handle_standard_args(LLHTTP REQUIRED_VARS LLHTTP_LIBRARY LLHTTP_INCLUDE_DIR)
  add_library(llhttp::llhttp UNKNOWN IMPORTED)
  set_target_properties(llhttp::llhttp PROPERTIES IMPORTED_LOCATION ${LLHTTP_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${LLHTTP_INCLUDE_DIR})
else()
  find_package_handle_standard_args(LLHTTP REQUIRED_VARS LLHTTP_SOURCE_DIR LLHTTP_INCLUDE_DIR)
  # 8.1 takes smuggling input unless it is strict; what strict still takes, runtime/http refuses.
  add_library(llhttp STATIC ${LLHTTP_SOURCE_DIR}/llhttp.c ${LLHTTP_SOURCE_DIR}/api.c
              ${LLHTTP_SOURCE_DIR}/http.c)
  target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
  target_compile_options(llhttp PRIVATE -w)
  target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
  add_library(llhttp::llhttp ALIAS llhttp)
endif()
