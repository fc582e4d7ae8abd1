# One interface target holds the flags that all of our own code is compiled with.
add_library(cache_me_flags INTERFACE)
target_compile_options(cache_me_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Wcast-align -Wimplicit-fallthrough)
if(CACHE_ME_WERROR)
  target_compile_options(cache_me_flags INTERFACE -Werror)
endif()

if(CACHE_ME_SANITIZE)
  # Global, so that the libraries that are compiled here are instrumented too.
  add_compile_options(-fsanitize=${CACHE_ME_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${CACHE_ME_SANITIZE})
  if(CACHE_ME_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()
