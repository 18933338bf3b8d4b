// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibBytes} from "solady/utils/LibBytes.sol";
import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";

/// @title Contributor tables: EIP-712 hash, and the form in which members are kept as contract code.
library TableLib {
    bytes32 internal constant CONTRIBUTOR_TYPEHASH = keccak256("Contributor(address account,uint32 weight)");

    bytes32 internal constant CONTRIBUTOR_TABLE_TYPEHASH = keccak256(
        "ContributorTable(bytes32 modelId,Contributor[] training,Contributor[] validators,uint64 nonce,uint40 expiry)Contributor(address account,uint32 weight)"
    );

    /// @dev A member takes 20 bytes of address and 3 of weight; one byte in front counts the training nodes.
    uint256 private constant MEMBER_BYTES = 23;

    function structHash(IRewardDistributor.ContributorTable calldata table) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                CONTRIBUTOR_TABLE_TYPEHASH,
                table.modelId,
                _roleHash(table.training),
                _roleHash(table.validators),
                table.nonce,
                table.expiry
            )
        );
    }

    function pack(
        IRewardDistributor.Contributor[] calldata training,
        IRewardDistributor.Contributor[] calldata validators
    ) internal pure returns (bytes memory data) {
        data = abi.encodePacked(uint8(training.length));
        for (uint256 i; i < training.length; ++i) {
            data = abi.encodePacked(data, training[i].account, uint24(training[i].weight));
        }
        for (uint256 i; i < validators.length; ++i) {
            data = abi.encodePacked(data, validators[i].account, uint24(validators[i].weight));
        }
    }

    function unpack(bytes memory data)
        internal
        pure
        returns (IRewardDistributor.Contributor[] memory training, IRewardDistributor.Contributor[] memory validators)
    {
        if (data.length == 0) return (training, validators);
        training = new IRewardDistributor.Contributor[](uint8(data[0]));
        validators = new IRewardDistributor.Contributor[](data.length / MEMBER_BYTES - training.length);
        for (uint256 i; i < training.length; ++i) {
            training[i] = _memberAt(data, i);
        }
        for (uint256 i; i < validators.length; ++i) {
            validators[i] = _memberAt(data, training.length + i);
        }
    }

    function _memberAt(bytes memory data, uint256 index)
        private
        pure
        returns (IRewardDistributor.Contributor memory)
    {
        uint256 word = uint256(LibBytes.load(data, 1 + index * MEMBER_BYTES));
        return IRewardDistributor.Contributor(address(uint160(word >> 96)), uint24(word >> 72));
    }

    function _roleHash(IRewardDistributor.Contributor[] calldata members) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](members.length);
        for (uint256 i; i < members.length; ++i) {
            hashes[i] = keccak256(abi.encode(CONTRIBUTOR_TYPEHASH, members[i].account, members[i].weight));
        }
        return keccak256(abi.encodePacked(hashes));
    }
}
