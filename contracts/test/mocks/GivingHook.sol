// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ITokenHook, OddToken} from "./OddToken.sol";

/// @title Gives a unit on top of every transfer.
contract GivingHook is ITokenHook {
    OddToken private immutable TOKEN;
    address private immutable RECEIVER;

    constructor(OddToken token, address receiver) {
        (TOKEN, RECEIVER) = (token, receiver);
    }

    function onTokenMoved() external {
        TOKEN.mint(RECEIVER, 1);
    }
}
