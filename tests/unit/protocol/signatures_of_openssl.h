/* Check values of signing.h made by OpenSSL's command line, over the bytes of openssl_message:
 *   openssl genrsa 3072, openssl ecparam -genkey -name prime256v1, openssl dgst -sha256 -sign KEY
 * Their private halves are gone. */
#ifndef TAKT_TESTS_UNIT_PROTOCOL_SIGNATURES_OF_OPENSSL_H
#define TAKT_TESTS_UNIT_PROTOCOL_SIGNATURES_OF_OPENSSL_H

static const char openssl_message[] = "takt signs what a factory hands out";

static const char openssl_p256_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqQOtBKNb0Y2yXC3Fwkc51GXS3zH7\n"
    "IboqGxyswu5qVMVz0Npk1gqAO1legQrw/FbaJhQMPE8HP/rJheBffFs18g==\n"
    "-----END PUBLIC KEY-----\n";
static const char openssl_rsa_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAoatQ0sHzPgOCfUphpdmi\n"
    "KGhNOgxT/eGa/sUp3RpQ/zBh2Y1luYVRZhTjcnbDGAxOrHyQJGzQjW/ojCFE4ZPJ\n"
    "XJTjdnNSezrwab9kgzxj6o+GN6JgVuhhk30yBR3O6ZzXSfYN5sLmk5WM189VOsgn\n"
    "7Beg1/bKg4CSVQ8gjWUsaUBjxKlWhsbsIM9X54Kfh6QMM5tCu48ZRj9PYHK/YUmy\n"
    "J4jfzb/ES0+JLP7ZBMIO3K0jI8SfAkFu1aS66Egt2Zg0BWZL1XJzsTmYMyES51ry\n"
    "znE7jhus4e6Za1ataB1kvU+aaPu43CemYhIXphX4/6HJzT3U5Yf3LlgsSGie34XU\n"
    "G4KsbF+sYuQ9zcAvB7u+G6EHdpW5yH2HHj9rcUaA5ZUcmcOJX8/SuSMb5n4pTNMn\n"
    "PQug2cCgS5CcG0r5zcVPkJMkmVQVOqPz7XtVC+hG3rVYBnVJLJp1BjfwxOeq7Idy\n"
    "2QVtSO8iguFijJ7md5QUzbW5/J6JfsxqO12n4U3UrmwNAgMBAAE=\n"
    "-----END PUBLIC KEY-----\n";

static const char openssl_p256_signature[] =
    "304402203cbe6ba0bce3c352f1627ab2ca695502c14186fbb56734f21eea6a6422828e1702205e5838d91c93"
    "cfe5cb47446f4d6380e31c57fc972dc35bc2e51801edf322ff33";
static const char openssl_rsa_signature[] =
    "3916138fb64024b427bdb80386d7b17abaa6088f456ec4d631e953287545629cf63c4c195ad11a0bf1c3e432"
    "23dfb61514a339d0002323f2d416918b5ec889411536235b13c66e2d8bc911cdb15e6814eb35d60917ab6ea9"
    "d805418953a5e13748c56c954e1516c89a3c4a618a59d61dc3ec0d267162e585302ba47645a34f4a274200b5"
    "54065dba9f4581d0c36275a63055838bd44698e63f0a2e2404dea1c189b8122b6064f0ff06521de39c5716d7"
    "ddccb1290a173212b3e03ae5a60116a6e10ac0bfbcc38cbb01741d907d35d1a7e80a8f9a26c4c5389d4bc88f"
    "7c776d778a578a742d579ee67ae85586f9e61e88028e63fd3c054c5d484d1254032aa05441d2bde4120509d5"
    "6bd3e8baefba6fe37e73949dbfd779fa8c7de95208c19c72179e69588f7139290cd7324cbadc7cda46c69a81"
    "dba72de0cf034158a842c25588a690bf97f31d3bdd5b5ce841eaf2a6eb92c0b36a72dc99eb29b8e6bcb2abc9"
    "d916343fecfc878f4339a064d0348094ce81843ac30f8c61b5dbe4d4afe9f6b5";
/* The same RSA key and message, but not the agreed scheme: PSS, and SHA-512. */
static const char openssl_pss_signature[] =
    "8d9dd85332953cec0b74797cc905c49b82b018743629d64af83c549a90b9dc6d4043bced4532dca7d23efd1f"
    "5e027edeaf29d767cfb65e3de62699b35b1d3de48c63f8760c02ee68fee62328b1f21b14e5c7187edb6b8288"
    "7c05d3d1de280d6c06a89c62025424d02a2f072617d06caff7b24d7d0ac9a712c9026597901e6b7ba2cebb54"
    "7bc12b7548b433af7ca78bdd6043bc37848d1603af0841b695d0a1e5eb141696dcaad30eedeb494c46bc8691"
    "d66f7e1eb7d65856f1e9eefb862ca6a342242458323c2c84c42b200c2369a8045bfc3ec2e6a3a553f067f125"
    "a4a38cf172a37c61cefde7d3405bce399647a9ef9dd29552a1c6dba63c7bd1851bef1bc3a2aabe3b562dcbf3"
    "8aafdfd3929a3ee29e8245b50cf52998643f2d7445567f549009b44a3d1e51e913fe08455c1b6e76d3cb0ecf"
    "18e44d8a875af59e12e671358d898f182c014e696ac904e39481b149236ccc631b0d4ba8296673bc532f2bb5"
    "8ad16d28764cc63446fb7397ae52897b262cf039d113ce0c7191949bf1bae2dc";
static const char openssl_sha512_signature[] =
    "94b29b298bbce11f67c3afddc3217c7d7ed98979e34554dba6f1ddd2ec7405169c6e0984e15962200d7fd373"
    "81e1e231eb666be50e8b3acb78a46277764a7479609d75c117b6ee927ef13f656031a833999a3d059f0b7b5d"
    "86a4af5ccf8ac41c0ac4af7c652b5492950e23285e04bb58fa2bbd909d46501b955fa03ac8747608f314da5d"
    "182d757d655a97b54feba7777900a6fe7bfa4ea47b8c42b69d59ff4ae3c97146bd9a8bba06f2dd581bcc7883"
    "39c747cd824341c4741d89e756b08790a634886829a4cc3f9c9b80fb332304df2b5bb21aeab31c4f62639c65"
    "f26b3db26b33874e9e666af17473541c04b35a6f95d9e83e0cc60556fef4ce3e85d3737a45e41b67205d54a8"
    "381e55e253f5b7d60fdc3588f9b1437db518f1d452fada5a63d318f068dbd06f267c85e36e70ef812981b53b"
    "1868c49a078ef7ebda635ae57cea50553ea90e2fdb03f8c232ee3c48b35a02386e0609f51bc2671a08d33952"
    "7759f7e35dc184605d11a01eaeff2a5224aedbc11b07640a523e004105383159";

/* Keys of which none is taken. */
static const struct {
    const char *what, *public_pem;
} openssl_other_keys[] = {
    {"RSA of 2048 bits", "-----BEGIN PUBLIC KEY-----\n"
                         "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqZc8TCTyxWzYIf5sMprn\n"
                         "wsyOmYpUKbUBB+RRW6KEtjlGhOxRu5H12TDbJeYNZIvR9Jmhv9AXAanHYozMe07y\n"
                         "zMQ51m66xbgbZJ4v0Dfgc4aw7the1ikR76x+j7gjez1fdpNiVN+rtN3HyysYiRV+\n"
                         "meUPMVl4UAd2kudjBBGukqUSCcwGVxvjeA0lmAaeSNQw2h2OEnHq949eqPfptRQh\n"
                         "mwpofNt8fuhfahvkhPznuUpqQlfR78Mqn3oPGerU3co8lyEwM46xgL48eFH7EbEG\n"
                         "Jtxp9am8RlXrlwnXIKgr2kIMvAiGKcTbbgXCA0L4ZacHOjqxcxgyIcSxbBjIsUbc\n"
                         "+wIDAQAB\n"
                         "-----END PUBLIC KEY-----\n"},
    {"RSA with the exponent 3", "-----BEGIN PUBLIC KEY-----\n"
                                "MIIBoDANBgkqhkiG9w0BAQEFAAOCAY0AMIIBiAKCAYEApO19elLPrAovMhu/fNoz\n"
                                "egpZz1PHZWtQ4XER70Cp4UeT9NGI6YuV1QYP+xm6rFGPEoG3uyYMQAnojwgCFsc+\n"
                                "BvplNuD1GUbnfe1TpOjoGfzmu7ZkgOkz5hCmnMDOpYOKPOraZicYLG9lcprN2nGm\n"
                                "EQPTpAFewI0IvQBqloEm6bGRwM4DRCQQxH6DC7vYCnd+tn878LJSZRE12Mc8Ifo9\n"
                                "XU6MMLKcy7qk4ZU6VSLVyAcSp3w2jwIUxMnedRa3PnPfTrYNVrgdbOCqF3AnVezN\n"
                                "Z2i+DVRma3mJERetbZjV/tpEs5mKtoso7dVrdHJWVePAPP3xsOMzi4Wg2XbMKrsO\n"
                                "6ILuVYRjqaM4JCmmm7ySoMZFdFuZJ54CGeLFc3Xh6UOWLA5u1cdbgjT6QmMYRksK\n"
                                "0ejFrTZeDFfQCjeggGl5b/nna4OPs/FBwPmI515EyieTozRiLpLPFbEMnDIO7CAZ\n"
                                "iZ7v8LwuY1Kc9s4Gq3n3i+1wK9qFQ2t/or6WJKDmws3HAgED\n"
                                "-----END PUBLIC KEY-----\n"},
    {"RSA for PSS alone", "-----BEGIN PUBLIC KEY-----\n"
                          "MIIBoDALBgkqhkiG9w0BAQoDggGPADCCAYoCggGBALgCIya+OhyW2TXfT/CbWUlG\n"
                          "tVlI48sIJuuD6th9F2ht4gfU8K08/bBTEYpQT0TOQuzmUUWae2CbSBFiPJOteDkl\n"
                          "hcdCmjPp+2aN1w6pKdHeTJjt4QohNLLjC2S/GfBhzqw0qg1xZ8ISroWmJSsRogNm\n"
                          "HmY4ZtQ+UWofcRJEmwS7D1mcQ8B5BEiWjTac+PvI0u5XsIdcwz8sH/pd2giSFNEN\n"
                          "uoNCTK1sfbeltgBhfDl4f9Vu6zl28e6HNZkp40tN/ooFU2tkUMA0W/+JM6eggLSR\n"
                          "PY/lM8iN1+AP6r3xolLRgK/k/87pnzjMDnWpgTTiklNLC1RUFe/6adXYr731jFZ9\n"
                          "bANruUP2qVaBwQXoZMGapdZlcrbz3nwAq5K895h1nBjo6dOVtknvb4kzOhv0X7If\n"
                          "qlyRvFI91AQkL69/ndAAkMa1U2yi6PI7Oj1KCy1Fsg+9sguQiWV7PlWo5HaF4hpO\n"
                          "5HFZmK8EmbGU6KO70uhcIiNCzKC8ubHnaMbcPHKBQQIDAQAB\n"
                          "-----END PUBLIC KEY-----\n"},
    {"the curve P-384", "-----BEGIN PUBLIC KEY-----\n"
                        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE83dtSmCFveDgKi47zlUYRMQFYcvHGZKr\n"
                        "ILcFBlTvq/rzQ3LbLhF8idKzcixG99e8ovz80fNtmep2OQrE+adGycyqgvgddirQ\n"
                        "EyKa//OMwTjU6R6iaqLDsbbBN834hWl/\n"
                        "-----END PUBLIC KEY-----\n"},
    {"Ed25519", "-----BEGIN PUBLIC KEY-----\n"
                "MCowBQYDK2VwAyEAz6hWf9d2fgBxUdnOOsk1i36/VI06RaBgxtcdS5lVxvA=\n"
                "-----END PUBLIC KEY-----\n"},
};

#endif
