/* SPDX-License-Identifier: MIT */
/* The table of messages that must be refused. */
#include "bad_inputs.h"

/* Field numbers are those of crossdock.proto. A good task to put a bad one beside. */
#define TASK "8:{1:#16 2:1}"
#define SUBMIT "1:1 2:4 10:|default| "
#define RESULT "1:1 2:9 "
#define SETUP "1:1 2:21 "

#define BAD XD_ERR_PROTOCOL
#define LARGE XD_ERR_TOO_LARGE

/* clang-format off */
const struct xdt_bad_input xdt_bad_inputs[] = {
    /* the envelope */
    {"", "", XD_ERR_VERSION, "version is 0"},
    {"1:2 2:14", "", XD_ERR_VERSION, "version is 2, this side speaks 1"},
    {"1:2 !ffffff", "", XD_ERR_VERSION, "version is 2"},
    {"1:18446744073709551615 2:14", "", XD_ERR_VERSION, "version is 18446744073709551615"},
    {"2:14 1:3", "", XD_ERR_VERSION, "version is 3"},
    {"2:14", "", XD_ERR_VERSION, "version is 0"},
    {"!ff", "", BAD, "envelope of 1 bytes is not a protobuf message"},
    {"!08", "", BAD, "envelope of 1 bytes is not"},
    {"1:1 !0b", "", BAD, "is not a protobuf message"},
    {"1:1 2:12 !5aff", "", BAD, "is not a protobuf message"},
    {"1:1 2:12 !5a10aabb", "", BAD, "is not a protobuf message"},
    {"1:1 2:|x|", "", BAD, "is not a protobuf message"},
    {"1:1 2:4 8:7", "", BAD, "is not a protobuf message"},
    {"1:1 2:4 8:{!ff}", "", BAD, "is not a protobuf message"},
    {"1:1", "", XD_ERR_UNSUPPORTED, "kind is 0"},
    {"1:1 2:22", "", XD_ERR_UNSUPPORTED, "kind is 22"},
    {"1:1 2:4294967295", "", XD_ERR_UNSUPPORTED, "kind is 4294967295"},
    {"1:1 2:14 63:#65536", "", LARGE, "envelope has 65545 bytes, want at most 65536"},
    {"1:1 2:14 15000x63:0", "", LARGE, "envelope needs more than 262144 bytes"},

    /* which parts a kind has */
    {"1:1 2:14 5:{}", "", BAD, "hello does not belong in HEARTBEAT"},
    {"1:1 2:14 19:#16", "", BAD, "started does not belong in HEARTBEAT"},
    {"1:1 2:1", "", BAD, "hello is missing in HELLO"},
    {"1:1 2:1 6:{}", "", BAD, "hello is missing in HELLO"},
    {"1:1 2:2", "", BAD, "hello_ok is missing"},
    {"1:1 2:3", "", BAD, "ready is missing"},
    {"1:1 2:4 " TASK, "", BAD, "profile is missing in SUBMIT"},
    {SUBMIT, "", BAD, "tasks is missing in SUBMIT"},
    {"1:1 2:6 10:|p| " TASK, "", BAD, "profile does not belong in TASK"},
    {"1:1 2:6 11:#16 " TASK, "", BAD, "ids does not belong in TASK"},
    {"1:1 2:7", "", BAD, "ids is missing in STARTED"},
    {"1:1 2:8", "", BAD, "event is missing"},
    {RESULT, "", BAD, "results is missing"},
    {RESULT TASK "9:{1:#16 4:1}", "", BAD, "tasks does not belong in RESULT"},
    {"1:1 2:11 11:#16", "", BAD, "level is missing in CANCEL"},
    {"1:1 2:11 12:1", "", BAD, "ids is missing in CANCEL"},
    {"1:1 2:12 11:#16 12:1", "", BAD, "level does not belong in RECALL"},
    {"1:1 2:15", "", BAD, "error is missing in BYE"},
    {"1:1 2:16 11:#16", "", BAD, "busy is missing in BUSY"},
    {"1:1 2:16 14:{1:1}", "", BAD, "ids is missing in BUSY"},
    {"1:1 2:17", "", BAD, "error is missing in ERROR"},
    {"1:1 2:18", "", BAD, "chunk is missing"},
    {"1:1 2:19", "", BAD, "credit is missing"},
    {"1:1 2:20", "", BAD, "admin is missing"},
    {"1:1 2:14", "0", BAD, "message has 1 payload frames, but its envelope announces 0"},

    /* HELLO */
    {"1:1 2:1 5:{2:1 3:1}", "", BAD, "hello.role is 0, want 1 to 4"},
    {"1:1 2:1 5:{1:5 2:1 3:1}", "", BAD, "hello.role is 5"},
    {"1:1 2:1 5:{1:1 2:3 3:2}", "", BAD, "hello.max_version is 2, want 3"},
    {"1:1 2:1 5:{1:1 2:1 3:1 6:2}", "", BAD, "hello.lane is 2, want 0 to 1"},
    {"1:1 2:1 5:{1:1 2:1 3:1 4:f7}", "", BAD, "hello.token has 0 bytes, want 16"},
    {"1:1 2:1 5:{1:1 2:1 3:1 4:f7 5:#15}", "", BAD, "hello.token has 15 bytes"},
    {"1:1 2:1 5:{1:1 2:1 3:1 5:#16}", "", BAD, "hello.token is set without a session"},
    {"1:1 2:1 5:{1:1 2:1 3:1 7:|a\nb|}", "", BAD, "hello.software is not a valid name: \"a\\x0ab\""},
    {"1:1 2:1 5:{1:1 2:1 3:1 7:#256}", "", LARGE, "hello.software has 256 bytes, want at most 255"},
    {"1:1 2:1 5:{1:1 2:1 3:1 9:|\"|}", "", BAD, "hello.host is not a valid name"},
    {"1:1 2:1 5:{1:2 2:1 3:1 11:|a\nb|}", "", BAD, "hello.name is not a valid name"},
    {"1:1 2:1 5:{1:2 2:1 3:1 12:|gpu| 12:||}", "", BAD, "hello.labels[1] is missing"},
    {"1:1 2:1 5:{1:2 2:1 3:1 12:#256}", "", LARGE, "hello.labels[0] has 256 bytes"},
    {"1:1 2:1 5:{1:2 2:1 3:1 33x12:|a|}", "", LARGE, "hello.labels has 33 items, want at most 32"},
    {"1:1 2:1 5:{1:2 2:1 3:1 17:|R \x01|}", "", BAD, "hello.versions[0] is not a valid name"},
    {"1:1 2:1 5:{1:2 2:1 3:1 17:#65}", "", LARGE, "hello.versions has an item of 65 bytes"},
    {"1:1 2:1 5:{1:2 2:1 3:1 17x17:|a|}", "", LARGE, "hello.versions has 17 items"},

    /* HELLO_OK */
    {"1:1 2:2 6:{2:f7 3:#16 6:1 7:1}", "", BAD, "hello_ok.version is 0"},
    {"1:1 2:2 6:{1:1 3:#16 6:1 7:1}", "", BAD, "hello_ok.session is 0"},
    {"1:1 2:2 6:{1:1 2:f7 3:#17 6:1 7:1}", "", BAD, "hello_ok.token has 17 bytes"},
    {"1:1 2:2 6:{1:1 2:f7 3:#16 7:1}", "", BAD, "hello_ok.heartbeat_ms is 0"},
    {"1:1 2:2 6:{1:1 2:f7 3:#16 6:2 7:1}", "", BAD, "hello_ok.lost_ms is 1, want 2"},
    {"1:1 2:2 6:{1:1 2:f7 3:#16 6:1 7:1 4:|\x01|}", "", BAD, "hello_ok.worker_endpoint is not"},
    {"1:1 2:2 6:{1:1 2:f7 3:#16 6:1 7:1 5:#256}", "", LARGE, "hello_ok.bulk_endpoint has 256"},

    /* READY */
    {"1:1 2:3 7:{2:2}", "", BAD, "ready.profile is missing"},
    {"1:1 2:3 7:{1:|a\\b| 2:2}", "", BAD, "ready.profile is not a valid name: \"a\\x5cb\""},
    {"1:1 2:3 7:{1:|p|}", "", BAD, "ready.formats is 0x0, want some bits of 0x6"},
    {"1:1 2:3 7:{1:|p| 2:8}", "", BAD, "ready.formats is 0x8"},
    {"1:1 2:3 7:{1:|p| 2:2 4:256}", "", BAD, "ready.hold is 256, want 0 to 255"},
    {"1:1 2:3 7:{1:|p| 2:4 257x3:|h|}", "", LARGE, "ready.handlers has 257 items, want at most 256"},
    {"1:1 2:3 7:{1:|p| 2:2 3:|h|}", "", BAD, "ready.handlers has 1 items, but formats lacks call"},
    {"1:1 2:3 7:{1:|p| 2:4 3:|h| 3:|\x7f|}", "", BAD, "ready.handlers[1] is not a valid name"},
    {"1:1 2:3 7:{1:|p| 2:4 3:||}", "", BAD, "ready.handlers[0] is missing"},

    /* tasks */
    {"1:1 2:4 10:|\xff| " TASK, "", BAD, "profile is not a valid name: \"\\xff\""},
    {"1:1 2:4 10:#256 " TASK, "", LARGE, "profile has 256 bytes"},
    {SUBMIT TASK " 8:{1:#15 2:1}", "", BAD, "tasks[1].id has 15 bytes, want 16"},
    {SUBMIT "8:{2:1}", "", BAD, "tasks[0].id has 0 bytes"},
    {SUBMIT "8:{1:#16}", "", BAD, "tasks[0].format is 0, want 1 to 2"},
    {SUBMIT "8:{1:#16 2:3}", "", BAD, "tasks[0].format is 3"},
    {SUBMIT "8:{1:#16 2:2}", "", BAD, "tasks[0].callee is missing"},
    {SUBMIT "8:{1:#16 2:2 3:|it's|}", "", BAD, "tasks[0].callee is not a valid name"},
    {SUBMIT "8:{1:#16 2:1 3:|f|}", "", BAD, "tasks[0].callee is set, but the format is r"},
    {SUBMIT "8:{1:#16 2:1 6:2}", "", BAD, "tasks[0].min_workers is 2 without everywhere"},
    {SUBMIT "8:{1:#16 2:1 7:2}", "", BAD, "tasks[0].part is 2 without everywhere"},
    {SUBMIT "8:{1:#16 2:1 5:1 7:2}", "", BAD, "tasks[0].part is 2 in a SUBMIT"},
    {SUBMIT "8:{1:#16 2:1 9:1}", "", BAD, "tasks[0].hold is set in a SUBMIT"},
    {SUBMIT "8:{1:#16 2:1 11:f7}", "", BAD, "tasks[0].origin is set in a SUBMIT"},
    {"1:1 2:6 8:{1:#16 2:1 10:2}", "", BAD, "tasks[0].origin is missing beside a setup"},
    {SUBMIT "257x" TASK, "", LARGE, "tasks has 257 items, want at most 256"},

    /* frames */
    {SUBMIT "8:{1:#16 2:1 8:{4:1}}", "1", BAD, "tasks[0].frames[0].role is 0, want 1 to 3"},
    {SUBMIT "8:{1:#16 2:1 8:{1:4 4:1}}", "1", BAD, "tasks[0].frames[0].role is 4"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:9 8:1}}", "9", BAD, "frames[0].count is 1 on a frame of role 1"},
    {SUBMIT "8:{1:#16 2:1 8:{1:2 2:|a| 4:15 8:2}}", "15", BAD, "frames[0].count is 2, but size is 15"},
    {SUBMIT "8:{1:#16 2:1 8:{1:2 2:|a| 4:15 5:f7 6:1 8:4294967295}}", "", BAD, "count is 4294967295, but size is 15"},
    {SUBMIT "8:{1:#16 2:1 8:{1:2 4:1}}", "1", BAD, "frames[0].class_tag is missing on an object"},
    {SUBMIT "8:{1:#16 2:1 8:{1:2 2:|a/b| 4:1}}", "1", BAD, "frames[0].class_tag is not a valid name: \"a/b\""},
    {SUBMIT "8:{1:#16 2:1 8:{1:2 2:|\xc3(| 4:1}}", "1", BAD, "class_tag is not a valid name: \"\\xc3(\""},
    {SUBMIT "8:{1:#16 2:1 8:{1:2 2:#256 4:1}}", "1", LARGE, "class_tag has 256 bytes"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:1 7:|\r|}}", "1", BAD, "frames[0].name is not a valid name"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:2}}", "1", BAD, "frames[0].size is 2, but its payload frame has 1 bytes"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1}}", "1", BAD, "frames[0].size is 0, but its payload frame has 1"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:1} 8:{1:1 4:1}}", "1", BAD, "tasks[0].frames[1] wants a payload frame, but the message has only 1"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:1}}", "1,2", BAD, "message has 2 payload frames, but its envelope announces 1"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:5 6:1}}", "", BAD, "frames[0].owner is missing in a reference"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:1 5:f7}}", "1", BAD, "frames[0].owner is 7 without a counter"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 5:f7 6:1}}", "", BAD, "frames[0].size of a reference is 0"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:9223372036854775808 5:f7 6:1}}", "", LARGE, "frames[0].size is 9223372036854775808"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:1 5:f7 6:1}}", "1", BAD, "message has 1 payload frames, but its envelope announces 0"},
    {SUBMIT "8:{1:#16 2:1 1000x8:{1:1 4:1 5:f1 6:1}} 8:{1:#16 2:1 24x8:{1:1 4:1 5:f1 6:1}}", "", LARGE, "tasks[1].frames brings the message to 1024 frames, want at most 1023"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:1048577}}", "1048577", LARGE, "brings the payloads to 1048577 bytes, want at most 1048576"},
    {SUBMIT "8:{1:#16 2:1 8:{1:1 4:600000} 8:{1:1 4:600000}}", "600000,600000", LARGE, "tasks[0].frames[1] brings the payloads to 1200000 bytes"},

    /* results */
    {RESULT "9:{1:#1 4:1}", "", BAD, "results[0].id has 1 bytes"},
    {RESULT "9:{1:#16}", "", BAD, "results[0].outcome is 0, want 1 to 6"},
    {RESULT "9:{1:#16 4:7}", "", BAD, "results[0].outcome is 7"},
    {RESULT "9:{1:#16 4:1} 9:{1:#16 2:2 3:2 4:1}", "", BAD, "results[1].part is 2, want 0 to 1"},
    {RESULT "9:{1:#16 4:1 5:|no|}", "", BAD, "results[0].error is set, but the outcome is done"},
    {RESULT "9:{1:#16 4:2 5:|\xff\xfe|}", "", BAD, "results[0].error is not UTF-8 text: \"\\xff\\xfe\""},
    {RESULT "9:{1:#16 4:2 5:#4097}", "", LARGE, "results[0].error has 4097 bytes, want at most 4096"},
    {RESULT "9:{1:#16 4:1} 19:#5", "", BAD, "started has 5 bytes, want 16"},
    {RESULT "9:{1:#16 4:1 7:{1:9 4:1}}", "1", BAD, "results[0].frames[0].role is 9"},
    {RESULT "257x9:{1:#16 4:1}", "", LARGE, "results has 257 items"},

    /* ids */
    {"1:1 2:7 11:#16 11:#15", "", BAD, "ids[1] has 15 bytes, want 16"},
    {"1:1 2:13 11:||", "", BAD, "ids[0] has 0 bytes"},
    {"1:1 2:12 257x11:#16", "", LARGE, "ids has 257 items"},
    {"1:1 2:11 11:#16 12:3", "", BAD, "level is 3, want 1 to 2"},
    {"1:1 2:16 11:#16 14:{}", "", BAD, "busy.scope is 0, want 1 to 3"},
    {"1:1 2:16 11:#16 14:{1:4}", "", BAD, "busy.scope is 4"},
    {"1:1 2:16 11:#3 14:{1:1}", "", BAD, "ids[0] has 3 bytes"},

    /* EVENT */
    {"1:1 2:8 13:{1:#2 3:|progress|}", "1", BAD, "event.id has 2 bytes"},
    {"1:1 2:8 13:{1:#16}", "1", BAD, "event.kind is missing"},
    {"1:1 2:8 13:{1:#16 3:|progress|}", "", BAD, "event wants a payload frame, but the message has only 0"},
    {"1:1 2:8 13:{1:#16 3:|progress|}", "1,1", BAD, "message has 2 payload frames"},

    /* ERROR, BYE */
    {"1:1 2:17 15:{}", "", BAD, "error.code is missing in ERROR"},
    {"1:1 2:17 15:{1:17}", "", BAD, "error.code is 17, want 0 to 16"},
    {"1:1 2:15 15:{1:99}", "", BAD, "error.code is 99"},
    {"1:1 2:17 15:{1:2 2:|\x80|}", "", BAD, "error.text is not UTF-8 text"},
    {"1:1 2:17 15:{1:2 !120100}", "", BAD, "error.text is not UTF-8 text: \"\\x00\""},
    {"1:1 2:17 15:{1:2 2:#5000}", "", LARGE, "error.text has 5000 bytes"},

    /* CHUNK, CREDIT */
    {"1:1 2:18 16:{2:1}", "1", BAD, "chunk.owner is 0"},
    {"1:1 2:18 16:{1:f7}", "1", BAD, "chunk.counter is 0"},
    {"1:1 2:18 16:{1:f7 2:1 4:99}", "", BAD, "chunk.code is 99"},
    {"1:1 2:18 16:{1:f7 2:1}", "", BAD, "chunk wants a payload frame"},
    {"1:1 2:18 16:{1:f7 2:1}", "0", BAD, "chunk has an empty payload"},
    {"1:1 2:18 16:{1:f7 2:1 4:6}", "1", BAD, "message has 1 payload frames, but its envelope announces 0"},
    {"1:1 2:18 16:{1:f7 2:1 3:9223372036854775807}", "1", BAD, "chunk.offset is 9223372036854775807"},
    {"1:1 2:18 16:{1:f7 2:1}", "1048577", LARGE, "chunk brings the payloads to 1048577"},
    {"1:1 2:19 17:{2:1 3:1}", "", BAD, "credit.owner is 0"},
    {"1:1 2:19 17:{1:f7 3:1}", "", BAD, "credit.counter is 0"},
    {"1:1 2:19 17:{1:f7 2:1}", "", BAD, "credit.chunks is 0, want 1 to 8"},
    {"1:1 2:19 17:{1:f7 2:1 3:9}", "", BAD, "credit.chunks is 9"},
    {"1:1 2:19 17:{1:f7 2:1 3:9 4:1}", "", BAD, "credit.chunks is 9, want 0 to 8"},

    /* ADMIN */
    {"1:1 2:20 18:{}", "", BAD, "admin.verb is missing"},
    {"1:1 2:20 18:{1:|v| 257x3:|a|}", "", LARGE, "admin.args has 257 items"},
    {"1:1 2:20 18:{1:|v| 3:|a| 3:|\xff|}", "", BAD, "admin.args[1] is not UTF-8 text"},
    {"1:1 2:20 18:{1:|v| 3:#4097}", "", LARGE, "admin.args[0] has 4097 bytes"},
    {"1:1 2:20 18:{1:|v| 5:2}", "", BAD, "admin.code is 2, want 0 to 0"},
    {"1:1 2:20 18:{1:|v|}", "1", BAD, "message has 1 payload frames"},
    {"1:1 2:20 18:{1:|v| 4:1}", "", BAD, "admin wants a payload frame"},
    {"1:1 2:20 18:{1:|v| 4:1 5:99}", "1", BAD, "admin.code is 99"},

    /* SETUP */
    {"1:1 2:21", "", BAD, "setup is missing in SETUP"},
    {"1:1 2:14 20:{2:1 3:1}", "", BAD, "setup does not belong in HEARTBEAT"},
    {SETUP "20:{4:{1:4 4:1}}", "1", BAD, "setup.number is 0"},
    {SETUP "20:{2:1}", "", BAD, "setup.frames are 0"},
    {SETUP "20:{2:1 3:1 4:{1:4 4:1}}", "1", BAD, "setup.frames are 1, but it is dropped"},
    {SETUP "20:{2:1 4:{1:1 4:1}}", "1", BAD, "setup.frames[0].role is 1, want 4 to 4"},
    {SETUP "20:{2:1 4:{1:4 4:1 5:f7 6:3}}", "", BAD, "setup.frames[0].counter is 3, but a setup is inline"},
    {SETUP "20:{2:1 4:{1:4 4:8 8:1}}", "8", BAD, "setup.frames[0].count is 1 on a frame of role 4"},
    {SETUP "20:{2:1 4:{1:4 4:2}}", "1", BAD, "setup.frames[0].size is 2, but its payload frame has 1 bytes"},
    {SETUP "20:{2:1 4:{1:4 4:1}}", "1,1", BAD, "message has 2 payload frames"},
    {SETUP "20:{2:1 1024x4:{1:4}}", "", LARGE, "setup.frames brings the message to 1024 frames"},
    {SETUP "20:{2:1 4:{1:4 4:786432} 4:{1:4 4:1}}", "786432,1", LARGE, "setup.frames have 786433 bytes, want at most 786432"},
};
/* clang-format on */

const size_t xdt_bad_input_count = sizeof xdt_bad_inputs / sizeof *xdt_bad_inputs;
