// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ECDSA} from "solady/utils/ECDSA.sol";

/// @title A contract account whose signatures (ERC-1271) are those of one key.
contract SignerWallet {
    address internal immutable KEY_HOLDER;

    constructor(address keyHolder) {
        KEY_HOLDER = keyHolder;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.tryRecoverCalldata(digest, signature) == KEY_HOLDER ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}
