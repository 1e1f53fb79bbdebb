# cmake -D OUT=web_files.cc -D FILES=a;b -P embed.cmake: the files as arrays of bytes (web_files.h).
set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")
set(arrays "")
set(entries "")
set(count 0)
foreach(file ${FILES})
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  cmake_path(GET file FILENAME name)
  cmake_path(GET file EXTENSION LAST_ONLY extension)
  string(SUBSTRING ${extension} 1 -1 extension)
  string(REGEX REPLACE "^index.html$" "" name ${name})
  string(APPEND arrays "constexpr unsigned char kFile${count}[] = {${bytes}};\n")
  string(APPEND entries "      {\"/${name}\", \"${type_${extension}}\", kFile${count}},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUT} "#include \"client/gateway/web_files.h\"

namespace trimtab {
namespace {
${arrays}}  // namespace

std::span<const WebFile> WebFiles() {
  static constexpr WebFile kFiles[] = {
${entries}  };
  return kFiles;
}

}  // namespace trimtab
")
