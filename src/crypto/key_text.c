/* SPDX-License-Identifier: MIT */
#include <splitsocks/crypto/key.h>

#include <splitsocks/base/base64.h>

#include <string.h>

void key_format(char text[KEY_TEXT_LENGTH + 1], const uint8_t key[KEY_SIZE])
{
    base64_encode(text, key, KEY_SIZE);
}

int key_parse(uint8_t key[KEY_SIZE], const char *text, size_t length)
{
    return base64_decode(key, KEY_SIZE, text, length);
}

void key_file_format(char contents[KEY_FILE_LENGTH + 1], const uint8_t key[KEY_SIZE])
{
    key_format(contents, key);
    contents[KEY_TEXT_LENGTH] = '\n';
    contents[KEY_FILE_LENGTH] = '\0';
}

int key_file_parse(uint8_t key[KEY_SIZE], const char *contents, size_t length)
{
    while (length > KEY_TEXT_LENGTH && strchr(" \t\r\n", contents[0]) != NULL &&
           contents[0] != '\0') {
        contents++;
        length--;
    }
    while (length > KEY_TEXT_LENGTH && strchr(" \t\r\n", contents[length - 1]) != NULL &&
           contents[length - 1] != '\0')
        length--;
    return key_parse(key, contents, length);
}
