#include "core/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "core/error.h"
#include "tests/support/temporary_folder.h"

namespace bitline {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

using testing::bytes_of;
using testing::TemporaryFolder;

TEST(Files, Sha256EqualsPublishedVectors) {
    // FIPS 180-4 examples: the empty message, "abc", one million times 'a'.
    EXPECT_EQ(sha256_bytes("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256_bytes("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const TemporaryFolder folder;
    const std::string path = folder.write("a", std::string(1000000, 'a'));
    EXPECT_EQ(sha256_file(path), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    EXPECT_THROW(sha256_file(folder.file("missing")), FormatError);
}

TEST(Files, ReadRefusesWhatIsNoFile) {
    const TemporaryFolder folder;
    const std::string missing = folder.file("missing"), empty = folder.write("empty", "");
    ASSERT_EQ(mkfifo(folder.file("pipe").c_str(), 0600), 0);
    const auto read = [](const std::string& path) { return [path] { read_file(path, "model"); }; };
    EXPECT_THAT(read(missing), ThrowsMessage<FormatError>(AllOf(HasSubstr(missing), HasSubstr("model"))));
    EXPECT_THAT(read(folder.path().string()), ThrowsMessage<FormatError>(HasSubstr("folder")));
    EXPECT_THAT(read(folder.file("pipe")), ThrowsMessage<FormatError>(HasSubstr("pipe")));
    EXPECT_THAT(read(""), ThrowsMessage<FormatError>(HasSubstr("empty")));
    EXPECT_THAT(read(folder.write("f", "x") + "/below"), ThrowsMessage<FormatError>(HasSubstr("Not a directory")));
    EXPECT_THAT([&] { require_file(empty, "model"); }, ThrowsMessage<FormatError>(HasSubstr("0 bytes")));
    EXPECT_THROW(require_file(folder.path().string(), "model"), FormatError);
    EXPECT_EQ(read_file(empty, "model"), "");
}

TEST(Files, ReadGivesTheBytesUpToTheBound) {
    const TemporaryFolder folder;
    const std::string content("a\0b\n\xff", 5);
    const std::string path = folder.write("f", content);
    EXPECT_EQ(read_file(path, "model", 5), content);
    EXPECT_THAT([&] { read_file(path, "model", 4); }, ThrowsMessage<FormatError>(HasSubstr("5 bytes")));
    EXPECT_NO_THROW(require_file(path, "model"));
}

TEST(Files, WriteReplacesWholeAndKeepsTheMode) {
    const TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    chmod(path.c_str(), 0640);
    write_atomically(path, [&](const std::string& temporary) {
        EXPECT_EQ(std::filesystem::path(temporary).parent_path(), folder.path());
        std::ofstream(temporary) << "new";
        EXPECT_EQ(bytes_of(path), "old");
    });
    EXPECT_EQ(bytes_of(path), "new");
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0640U);
    EXPECT_EQ(folder.count(), 1);
}

TEST(Files, WriteFollowsSymbolicLinks) {
    const TemporaryFolder folder;
    const std::string path = folder.write("f", "old"), link = folder.file("link");
    std::filesystem::create_symlink("f", link);
    write_text_atomically(link, "new");
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    EXPECT_EQ(bytes_of(path), "new");
}

TEST(Files, WriteTakesLongNames) {
    const TemporaryFolder folder;
    const std::string name(250, 'n');
    write_text_atomically(folder.file(name), "x");
    EXPECT_EQ(bytes_of(folder.file(name)), "x");
    EXPECT_THROW(write_text_atomically(folder.file(std::string(300, 'n')), "x"), RunError);
    EXPECT_THROW(write_text_atomically("/" + std::string(PATH_MAX, 'n') + "/x", "x"), ConfigError);
    EXPECT_EQ(folder.count(), 1);
}

TEST(Files, FailedWriterLeavesEverythingAsItWas) {
    const TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    const auto write = [&] {
        write_atomically(path, [&](const std::string& temporary) {
            std::ofstream(temporary) << "half";
            throw RunError(temporary + ": cannot write: No space left on device");
        });
    };
    // The user never heard of the temporary file.
    EXPECT_THAT(write, ThrowsMessage<RunError>(path + ": cannot write: No space left on device"));
    EXPECT_EQ(bytes_of(path), "old");
    EXPECT_EQ(folder.count(), 1);
    EXPECT_THROW(write_atomically(path, [](const std::string&) { throw Interrupted(); }), Interrupted);
    EXPECT_EQ(folder.count(), 1);
}

TEST(Files, WriterThatRemovesItsFileIsAnError) {
    const TemporaryFolder folder;
    const auto write = [&] { write_atomically(folder.file("f"), [](const std::string& t) { unlink(t.c_str()); }); };
    EXPECT_THROW(write(), RunError);
    EXPECT_EQ(folder.count(), 0);
}

/// Files of this process cannot grow beyond `bytes`: what a full disk does, without one.
class FileSizeLimit {
 public:
    explicit FileSizeLimit(rlim_t bytes) {
        getrlimit(RLIMIT_FSIZE, &before_);
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{bytes, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

 private:
    rlimit before_{};
    void (*handler_)(int) = nullptr;
};

TEST(Files, RefusedBytesAreARunErrorWithPathAndReason) {
    const TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    std::string message;
    {
        const FileSizeLimit limit(1000);
        try {
            write_text_atomically(path, std::string(5000, 'x'));
        } catch (const RunError& error) {
            message = error.what();
        }
    }
    EXPECT_EQ(message, path + ": cannot write: File too large");
    EXPECT_EQ(bytes_of(path), "old");
    EXPECT_EQ(folder.count(), 1);
    EXPECT_THAT([] { write_text_atomically("/dev/full", "x"); },
                ThrowsMessage<RunError>("/dev/full: cannot write: No space left on device"));
}

TEST(Files, DevicesAndPipesAreWrittenInto) {
    const TemporaryFolder folder;
    EXPECT_NO_THROW(write_text_atomically("/dev/null", "x"));
    struct stat status {};
    ASSERT_EQ(stat("/dev/null", &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    write_text_atomically("/dev/fd/" + std::to_string(ends[1]), "through");
    char buffer[16] = {};
    EXPECT_EQ(read(ends[0], buffer, sizeof buffer), 7);
    EXPECT_STREQ(buffer, "through");
    close(ends[0]);
    close(ends[1]);
}

TEST(Files, ImpossibleTargetsAreConfigErrors) {
    const TemporaryFolder folder;
    const std::string file = folder.write("f", "x");
    for (const std::string& path : {std::string(), folder.path().string(), folder.file("missing/f"), file + "/below",
                                    folder.file("new/"), std::string("/proc/bitline")}) {
        EXPECT_THROW(require_writable(path), ConfigError) << path;
        EXPECT_THROW(write_text_atomically(path, "x"), ConfigError) << path;
    }
    EXPECT_NO_THROW(require_writable(folder.file("new")));
    EXPECT_NO_THROW(require_writable("/dev/null"));
    EXPECT_NO_THROW(require_writable("/dev/stdout"));
    EXPECT_EQ(folder.count(), 1);
    EXPECT_EQ(bytes_of(file), "x");
}

TEST(Files, FoldersWithoutPermissionAreRefused) {
    if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
    const TemporaryFolder folder;
    const std::string file = folder.write("f", "x");
    chmod(file.c_str(), 0400);
    EXPECT_THROW(require_writable(file), ConfigError);
    chmod(folder.path().c_str(), 0500);
    EXPECT_THROW(require_writable(folder.file("new")), ConfigError);
    chmod(folder.path().c_str(), 0700);
}

TEST(Files, RemoveTemporaryFilesTakesAllOfThemAndNothingElse) {
    const TemporaryFolder folder;
    const std::string path = folder.write("f", "old");
    const auto write = [&] {
        write_atomically(path, [&](const std::string& outer) {
            std::ofstream(outer) << "half";
            write_atomically(folder.file("g"), [&](const std::string& inner) {
                std::ofstream(inner) << "half";
                EXPECT_EQ(folder.count(), 3);
                remove_temporary_files();
                EXPECT_EQ(folder.count(), 1);
            });
        });
    };
    EXPECT_THROW(write(), RunError);  // as the files are gone
    EXPECT_EQ(bytes_of(path), "old");
    write_text_atomically(path, "new");
    remove_temporary_files();
    EXPECT_EQ(bytes_of(path), "new");
}

TEST(Files, ThreadsMayWriteTheSameFile) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) write_text_atomically(path, std::string(1000, char('a' + t)));
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string content = bytes_of(path);
    ASSERT_EQ(content.size(), 1000U);
    EXPECT_EQ(content, std::string(1000, content[0]));
    EXPECT_EQ(folder.count(), 1);
}

}  // namespace
}  // namespace bitline
