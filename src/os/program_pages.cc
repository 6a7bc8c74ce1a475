#include "os/program_pages.h"

#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace proa::os {

void release_program_pages() {
    auto headers = reinterpret_cast<const ElfW(Phdr)*>(::getauxval(AT_PHDR));
    const unsigned long count = ::getauxval(AT_PHNUM);
    const uintptr_t page = ::getauxval(AT_PAGESZ);
    uintptr_t moved = 0;  // by where a position independent program was loaded
    for (unsigned long i = 0; i < count; i++)
        if (headers[i].p_type == PT_PHDR) moved = reinterpret_cast<uintptr_t>(headers) - headers[i].p_vaddr;
    for (unsigned long i = 0; i < count; i++) {
        if (headers[i].p_type != PT_LOAD || (headers[i].p_flags & PF_W)) continue;
        uintptr_t begin = (moved + headers[i].p_vaddr) & ~(page - 1);
        uintptr_t end = (moved + headers[i].p_vaddr + headers[i].p_memsz) & ~(page - 1);  // the last one may be shared with the next segment
        if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
}

}  // namespace proa::os
